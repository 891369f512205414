/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Finds the migration that a user means.
 */
#ifndef XL_MIGRATIONS_H
#define XL_MIGRATIONS_H

#include <stdint.h>

#include "xl_context.h"

/* The domain here of the guest with this name or number on the command line;
 * xl->ctx must be open.  0, or -1 with a message on stderr: there is none. */
int xl_migrations_find(struct xl_context *xl, const char *domain,
                       uint32_t *domid);

#endif
