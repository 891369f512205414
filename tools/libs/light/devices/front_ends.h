/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The front ends of a guest's disks and network interfaces, as xenstore has
 * them.
 *
 * A back end in dom0 that needs an absent page of the guest is in trouble: a
 * network's back end may not sleep there, and a disk's gives up after half a
 * minute.  A front end that does not trust its back end copies all data
 * through pages that it has just written to (XSA-403).  Then the guest's vCPU
 * waits for the absent pages, as long as it takes, and no back end ever does.
 * A front end reads from `trusted` in its xenstore node whether it trusts,
 * each time it connects.  It connects when it is resumed in another domain.
 */
#ifndef LM_FRONT_ENDS_H
#define LM_FRONT_ENDS_H

#include <stdint.h>

#include "xlm.h"

/* Have each front end of a domain that is built, and has never run, distrust
 * its back end.  The former values are kept in xenstore, beside what libxl
 * keeps of the domain. -1 with a reason. */
int lm_front_ends_distrust(struct xlm_context *xlm, uint32_t domid);

/* Restore the former values once all of the domain's memory is there, for the
 * next time the front ends connect.  Harmless when nothing was changed, and
 * when the domain is gone; failures go to the log. */
void lm_front_ends_trust(xentoollog_logger *logger, uint32_t domid);

#endif
