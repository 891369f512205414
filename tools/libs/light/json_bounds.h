/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Bounds for JSON from elsewhere, checked before a parser sees it: parsers
 * build trees, and free them by recursion.
 */
#ifndef LM_JSON_BOUNDS_H
#define LM_JSON_BOUNDS_H

#include <stddef.h>

/* Far more than libxl's configurations and QEMU's answers have. */
#define LM_JSON_DEPTH_MAX 64u
#define LM_JSON_VALUES_MAX 65536u

/* NULL, or what is wrong with the first length octets.  Looks only at the
 * depth of nesting and the number of values.  Thread-safe. */
const char *lm_json_problem(const char *text, size_t length);

#endif
