/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The daemon that waits for the end of a domain and does what the domain's
 * configuration says then, as the stock xl's does.
 *
 * It is started while the guest still runs at the source, and stands by until
 * the guest runs here: starting a process takes time that the guest would be
 * stopped for, or wait for pages.  And it must be there as soon as the guest
 * runs, which may shut down before all of its memory is here.
 */
#ifndef XL_MONITOR_H
#define XL_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

#include "xl_context.h"

struct xl_monitor_standby {
    int fd; /* tells it which domain, and by its end that no more pages come */
    bool begun;
};

#define XL_MONITOR_NOBODY ((struct xl_monitor_standby){.fd = -1})

/* Have it stand by.  0, or -1 having said why. */
int xl_monitor_standby(struct xl_monitor_standby *standby);
/* The domain is here: watch over it.  Only the first call does something, and
 * none when nobody stands by.  0, or -1 having said why. */
int xl_monitor_begin(struct xl_monitor_standby *standby, uint32_t domid);
/* No more of the domain comes, or there is none. */
void xl_monitor_dismiss(struct xl_monitor_standby *standby);

/*
 * The domain was suspended here, and runs on.  When a daemon of xl watched
 * over it that has ended since, or is about to, start another one; when it
 * goes on, or there never was one (xl create -e, libvirt), do nothing.  0, or
 * -1 having said why.
 */
int xl_monitor_succeed(uint32_t domid);

/* The same in this process, of a domain that is here as a whole: returns an
 * exit status when it is gone.  The configuration changes when the domain is
 * started again. */
int xl_monitor_run(struct xl_context *xl, uint32_t domid,
                   libxl_domain_config *config);

/* The daemon, a command of its own: xl domain-monitor --postcopy, with the
 * pipe as its stdin. */
int xl_main_monitor(struct xl_context *xl, int argc, char **argv);

#endif
