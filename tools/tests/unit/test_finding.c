/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The findings of a check before a migration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "finding.h"

static char *line_of(enum xl_verdict verdict, const char *what,
                     const char *text)
{
    char *line = NULL;
    size_t length;
    FILE *to = open_memstream(&line, &length);

    xl_finding_put(to, verdict, what, text);
    fclose(to);
    return line;
}

static void comes_as_it_was_sent(void **state)
{
    (void)state;
    for (int verdict = XL_VERDICT_OK; verdict <= XL_VERDICT_UNKNOWN;
         verdict++) {
        char *line = line_of(verdict, "disk", "/dev/vg0/web (raw)");
        struct xl_finding finding;

        assert_true(xl_finding_read(line, &finding));
        assert_int_equal(finding.verdict, verdict);
        assert_string_equal(finding.what, "disk");
        assert_string_equal(finding.text, "/dev/vg0/web (raw)");
        free(line);
    }
}

/* A name that contains an end of line must not make a second finding. */
static void one_line_each(void **state)
{
    char *line = line_of(XL_VERDICT_NO, "name", "web\nok\tpaging\t\x1b[2J");

    (void)state;
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_null(strchr(line, '\x1b'));
    free(line);
}

static void lines_of_a_liar(void **state)
{
    static const char *const bad[] = {
        "", "\n", "ok\n", "ok\tname\n", "okay\tname\t\n", "\tname\t\n",
    };
    struct xl_finding finding;
    char row[256] = "";
    FILE *to;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(xl_finding_read(bad[i], &finding));
    }
    assert_true(xl_finding_read("no\tan\x1b[1m endless name of what it is\t"
                                "te\xc2\x9bxt\n",
                                &finding));
    to = fmemopen(row, sizeof(row), "w");
    xl_finding_show(to, "there", &finding);
    fclose(to);
    assert_null(strchr(row, '\x1b'));
    assert_null(strstr(row, "\xc2\x9b"));
    assert_non_null(strstr(row, "te?xt\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_as_it_was_sent),
        cmocka_unit_test(one_line_each),
        cmocka_unit_test(lines_of_a_liar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
