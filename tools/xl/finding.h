/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a look before a migration finds, a line each; pure.
 */
#ifndef XL_FINDING_H
#define XL_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum xl_verdict {
    XL_VERDICT_OK,
    XL_VERDICT_WARNING, /* it goes, and could go better */
    XL_VERDICT_NO,      /* it does not go */
    XL_VERDICT_UNKNOWN, /* something else has to be mended first */
};

#define XL_FINDING_TEXT_MAX 400

struct xl_finding {
    enum xl_verdict verdict;
    char what[24];
    char text[XL_FINDING_TEXT_MAX]; /* for a person; may be empty */
};

/* The line that ends what the other host has found. */
#define XL_FINDINGS_END "end\n"

/* Write one for the other host; read such a line of another's, false: it is
 * none. */
void xl_finding_put(FILE *to, enum xl_verdict verdict, const char *what,
                    const char *text);
bool xl_finding_read(const char *line, struct xl_finding *finding);

/* A row of the table; `where` is "here" or "there". */
void xl_finding_show(FILE *to, const char *where,
                     const struct xl_finding *finding);

#endif
