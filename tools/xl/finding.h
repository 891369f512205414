/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The findings of a check before a migration, one line each; pure.
 */
#ifndef XL_FINDING_H
#define XL_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum xl_verdict {
    XL_VERDICT_OK,
    XL_VERDICT_WARNING, /* it would work, but not as well as it could */
    XL_VERDICT_NO,      /* it would not work */
    XL_VERDICT_UNKNOWN, /* unknown until something else is fixed */
};

#define XL_FINDING_TEXT_MAX 400

struct xl_finding {
    enum xl_verdict verdict;
    char what[24];
    char text[XL_FINDING_TEXT_MAX]; /* for a person; may be empty */
};

/* Ends the findings of the other host. */
#define XL_FINDINGS_END "end\n"

/* Begins a line of the other host's profile: see
 * libxl_live_migrate_host_profile(). */
#define XL_FINDING_PROFILE "profile\t"

/* Write a finding for the other host; parse such a line; false: it is none. */
void xl_finding_put(FILE *to, enum xl_verdict verdict, const char *what,
                    const char *text);
bool xl_finding_read(const char *line, struct xl_finding *finding);

/* A row of the table; `where` is "here" or "there". */
void xl_finding_show(FILE *to, const char *where,
                     const struct xl_finding *finding);

#endif
