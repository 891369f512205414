/* SPDX-License-Identifier: LGPL-2.1-or-later
 * JSON that somebody else has written, before a parser sees it: parsers make
 * trees of it, and take them apart by calling themselves.
 */
#ifndef LM_JSON_BOUNDS_H
#define LM_JSON_BOUNDS_H

#include <stddef.h>

/* Far more than libxl's configurations and QEMU's answers have. */
#define LM_JSON_DEPTH_MAX 64u
#define LM_JSON_VALUES_MAX 65536u

/* NULL, or what is wrong with the first length octets: how deep they nest and
 * how many values there are is all that is looked at.  Thread-safe. */
const char *lm_json_problem(const char *text, size_t length);

#endif
