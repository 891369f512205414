/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which migration a user means.
 */
#ifndef XL_MIGRATIONS_H
#define XL_MIGRATIONS_H

#include <stdint.h>

#include "xl_context.h"

/* The domain here of the guest of that name, or of that number, as the command
 * line has it; xl->ctx is open.  0, or -1 after having said that there is
 * none. */
int xl_migrations_find(struct xl_context *xl, const char *domain,
                       uint32_t *domid);

#endif
