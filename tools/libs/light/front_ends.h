/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The front ends of a guest's disks and network interfaces, as xenstore has
 * them.
 *
 * A back end in dom0 that wants an absent page of the guest is in trouble: a
 * network's may not sleep where it wants it, a disk's gives up after half a
 * minute.  A front end that does not trust its back end copies all data
 * through pages that it has just written to (XSA-403): then the guest's vCPU
 * waits for absent pages, which can be for as long as it takes, and no back
 * end ever does.  Whether it trusts, a front end reads from `trusted` in its
 * xenstore node each time it connects, which it does when it is resumed in
 * another domain.
 */
#ifndef LM_FRONT_ENDS_H
#define LM_FRONT_ENDS_H

#include <stdint.h>

#include "xlm.h"

/* Have each front end of a domain that is built, and has never run, distrust
 * its back end.  What stood there before is kept in xenstore, beside what
 * libxl keeps of the domain.  -1 with a reason. */
int lm_front_ends_distrust(struct xlm_context *xlm, uint32_t domid);

/* All of the domain's memory is there: what stood there before stands there
 * again, for when the front ends connect the next time.  Harmless when nothing
 * was changed, and when the domain is gone; what fails is said in the log. */
void lm_front_ends_trust(xentoollog_logger *logger, uint32_t domid);

#endif
