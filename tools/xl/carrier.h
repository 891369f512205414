/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between xl and a connection that only calls of a library can
 * carry.
 */
#ifndef XL_CARRIER_H
#define XL_CARRIER_H

/* The octets that this process carries are a guest's, which cannot do without
 * them: from now on the process ends when both sides have, whatever signals
 * come.  The name is one for ps, of at most 15 octets. */
void xl_carrier_become(const char *name);

#endif
