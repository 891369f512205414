/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Bounds for JSON from elsewhere.
 */
#include "json_bounds.h"

/* The position behind the string that begins at text[at]. */
static size_t skip_string(const char *text, size_t length, size_t at)
{
    for (at++; at < length && text[at] != '"'; at++) {
        if (text[at] == '\\') {
            at++;
        }
    }
    return at;
}

const char *lm_json_problem(const char *text, size_t length)
{
    size_t depth = 0, values = 0;

    for (size_t at = 0; at < length; at++) {
        switch (text[at]) {
        case '"':
            at = skip_string(text, length, at);
            break;
        case '[':
        case '{':
            depth++;
            values++;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        default:
            break;
        }
        if (depth > LM_JSON_DEPTH_MAX) {
            return "JSON that nests too deep";
        }
        if (values > LM_JSON_VALUES_MAX) {
            return "JSON of too many values";
        }
    }
    return NULL;
}
