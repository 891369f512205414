/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between xl and a connection that only calls of a library can
 * carry.
 */
#ifndef XL_CARRIER_H
#define XL_CARRIER_H

/* From now on this process ends only when both sides have ended, whatever
 * signals come, because a guest cannot do without the octets that it carries.
 * `name` is for ps: at most 15 octets. */
void xl_carrier_become(const char *name);

#endif
