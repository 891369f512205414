/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate without --postcopy, on a host that wants it all the same: so the
 * programs that call it need not know of that.
 */
#ifndef XL_PLAIN_MIGRATE_H
#define XL_PLAIN_MIGRATE_H

#include <stdbool.h>

#include "xl_context.h"

/* True: it went our way, and *status is what to exit with.  False: it is the
 * stock xl's, be it that postcopy was refused before anything had begun. */
bool xl_plain_migrate(struct xl_context *xl, int word, int *status);

#endif
