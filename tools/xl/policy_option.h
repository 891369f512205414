/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The argument of --postcopy: when the guest should move.
 */
#ifndef XL_POLICY_OPTION_H
#define XL_POLICY_OPTION_H

#include <stdbool.h>
#include <stdint.h>

struct xl_policy {
    bool automatic; /* decide by the rates */
    bool has_rounds;
    uint32_t rounds;
    uint32_t after; /* seconds, 0: no limit of time */
};

/* Parse now, auto, after:SECONDS or after-rounds:N; text may be NULL, for the
 * option without an argument.  False: none of these. */
bool xl_parse_policy(const char *text, struct xl_policy *policy);

#endif
