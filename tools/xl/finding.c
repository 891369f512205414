/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Findings: as lines between the hosts, and as a table.
 */
#include "finding.h"

#include <string.h>

#include "utf8.h"

static const char *const verdicts[] = {
    [XL_VERDICT_OK] = "ok",
    [XL_VERDICT_WARNING] = "warning",
    [XL_VERDICT_NO] = "no",
    [XL_VERDICT_UNKNOWN] = "unknown",
};
#define NR_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

void xl_finding_put(FILE *to, enum xl_verdict verdict, const char *what,
                    const char *text)
{
    char shown[XL_FINDING_TEXT_MAX];

    lm_utf8_show(shown, sizeof(shown), text);
    fprintf(to, "%s\t%s\t%s\n", verdicts[verdict], what, shown);
}

bool xl_finding_read(const char *line, struct xl_finding *finding)
{
    const char *what = strchr(line, '\t');
    const char *text = what ? strchr(what + 1, '\t') : NULL;
    char part[XL_FINDING_TEXT_MAX];

    if (!text) {
        return false;
    }
    for (size_t i = 0; i < NR_VERDICTS; i++) {
        size_t length = strlen(verdicts[i]);

        if ((size_t)(what - line) == length &&
            !strncmp(line, verdicts[i], length)) {
            finding->verdict = i;
            snprintf(part, sizeof(part), "%.*s", (int)(text - what - 1),
                     what + 1);
            lm_utf8_show(finding->what, sizeof(finding->what), part);
            snprintf(part, sizeof(part), "%.*s", (int)strcspn(text + 1, "\n"),
                     text + 1);
            lm_utf8_show(finding->text, sizeof(finding->text), part);
            return true;
        }
    }
    return false;
}

void xl_finding_show(FILE *to, const char *where,
                     const struct xl_finding *finding)
{
    fprintf(to, "%-5s  %-12s  %-7s%s%s\n", where, finding->what,
            verdicts[finding->verdict], finding->text[0] ? "  " : "",
            finding->text);
}
