/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate without --postcopy on a host whose defaults want postcopy: so
 * programs that call xl migrate need not know about it.
 */
#ifndef XL_PLAIN_MIGRATE_H
#define XL_PLAIN_MIGRATE_H

#include <stdbool.h>

#include "xl_context.h"

/* True: this project has migrated the guest or tried to; exit with *status.
 * False: run the stock xl's migrate; this includes the case that postcopy was
 * refused before anything had begun. */
bool xl_plain_migrate(struct xl_context *xl, int word, int *status);

#endif
