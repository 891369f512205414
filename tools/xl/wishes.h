/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a source wants of a receiver whose command line is not its own: over
 * TLS it stands before xl's header (save_header.h).
 */
#ifndef XL_WISHES_H
#define XL_WISHES_H

#include <stdint.h>

#include "options.h"

#define XL_WISHES_MAGIC "XLWISHES"
#define XL_WISHES_VERSION 1u
#define XL_WISH_NO_MONITOR (1u << 0)
#define XL_WISH_PAUSED (1u << 1)
#define XL_WISH_DEBUG (1u << 2)
#define XL_WISH_CHECK (1u << 3)
#define XL_WISH_LINK_TIMEOUT (1u << 4)
#define XL_WISH_SUPERPAGES (1u << 5)
#define XL_WISHES_ALL 0x3fu

struct xl_wishes {
    char magic[8];
    uint32_t version;
    uint32_t flags;        /* XL_WISH_ */
    uint64_t link_timeout; /* seconds, with its flag; else 0 */
};

_Static_assert(sizeof(struct xl_wishes) == 24, "wire");

/* All of these are pure. */

/* By the options of xl migrate. */
void xl_wishes_make(struct xl_wishes *wishes,
                    const struct xl_options *options);

/* NULL, or what is wrong. */
const char *xl_wishes_check(const struct xl_wishes *wishes);

/* As if the options of xl migrate-receive were given, beside those that are.
 */
void xl_wishes_grant(const struct xl_wishes *wishes,
                     struct xl_options *options);

#endif
