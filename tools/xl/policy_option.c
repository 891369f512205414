/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The argument of --postcopy.
 */
#include "policy_option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The number behind a prefix; false: no such prefix, or no number. */
static bool number_after(const char *text, const char *prefix,
                         uint32_t *number)
{
    size_t length = strlen(prefix);
    unsigned long long value;
    char *end;

    if (strncmp(text, prefix, length) || text[length] < '0' ||
        text[length] > '9') {
        return false;
    }
    errno = 0;
    value = strtoull(text + length, &end, 10);
    if (errno || *end || value > UINT32_MAX) {
        return false;
    }
    *number = value;
    return true;
}

bool xl_parse_policy(const char *text, struct xl_policy *policy)
{
    struct xl_policy made = {.automatic = false};

    if (!text) {
        /* With the rounds of --precopy-iterations, or at once. */
    } else if (!strcmp(text, "now")) {
        made.has_rounds = true;
    } else if (!strcmp(text, "auto")) {
        made.automatic = true;
    } else if (number_after(text, "after-rounds:", &made.rounds)) {
        made.has_rounds = true;
    } else if (!number_after(text, "after:", &made.after) || !made.after) {
        return false;
    }
    *policy = made;
    return true;
}
