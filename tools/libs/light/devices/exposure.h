/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Exposed devices: their front ends hand to their back ends pages that the
 * guest has not touched before.  After the go a back end in dom0 would have to
 * wait for these (see front_ends.h), which it cannot.
 *
 * Xenstore does not say whether a front end knows how to copy.  It says enough
 * about the kind of front end to recognise most of those that do not.
 */
#ifndef LM_EXPOSURE_H
#define LM_EXPOSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "xlm.h"

/* What xenstore holds about one connected front end. */
struct lm_front_end {
    const char *kind;         /* "vif", "vbd", ... */
    bool windows;             /* the guest lists its drivers, as Windows' do */
    bool xdp_headroom;        /* Linux's network writes it from 5.9 on ... */
    bool xdp_headroom_wanted; /* ... where the back end can do that */
    bool gso_tcpv6;           /* Linux's network writes it from 3.14 on */
    bool persistent; /* feature-persistent: Linux's disk from 3.8 on */
};

/* Why this front end is not known to copy; NULL: it is.  Pure. */
const char *lm_exposed_because(const struct lm_front_end *front_end);

/* Look at a running domain's front ends. -1 with a reason when one is exposed,
 * or when xenstore cannot be read; with `allowed` the log warns instead. */
int lm_check_exposure(struct xlm_context *xlm, uint32_t domid,
                      const char *name, bool allowed);

#endif
