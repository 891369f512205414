/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Rates as a person writes and reads them.
 */
#include "rate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int shift_of(const char *suffix)
{
    static const char suffixes[] = "KMG";
    const char *found;

    if (!suffix[0]) {
        return 0;
    }
    found = strchr(suffixes, suffix[0]);
    return found && !suffix[1] ? 10 * (int)(found - suffixes + 1) : -1;
}

const char *xl_parse_rate(const char *text, uint64_t *rate)
{
    unsigned long long value;
    char *suffix;
    int shift;

    if (!strcmp(text, "unlimited")) {
        *rate = UINT64_MAX;
        return NULL;
    }
    errno = 0;
    value = strtoull(text, &suffix, 10);
    shift = shift_of(suffix);
    if (text[0] < '0' || text[0] > '9' || shift < 0) {
        return "a rate is a number of octets a second, with K, M or G behind "
               "it for 1024, 1024^2 or 1024^3 of them, or 'unlimited'";
    }
    if (errno || value > (UINT64_MAX - 1) >> shift) {
        return "such a rate is too much";
    }
    *rate = (uint64_t)value << shift;
    return NULL;
}
