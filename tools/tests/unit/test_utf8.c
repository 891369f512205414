/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Text from outside: what is valid UTF-8, and what of it is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "save_header.h"
#include "utf8.h"

static void characters(void **state)
{
    static const struct {
        const char *text;
        uint32_t character;
        size_t length;
    } table[] = {
        {"a", 'a', 1},
        {"\x7f", 0x7f, 1},
        {"\xc2\x9b", 0x9b, 2},
        {"\xc3\xa9", 0xe9, 2},
        {"\xe2\x80\xae", 0x202e, 3},
        {"\xf0\x9f\x90\xa7", 0x1f427, 4},
        {"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
        /* Cut short, a part alone, longer than need be, above the last, and
         * half of one of UTF-16. */
        {"\xc3", LM_UTF8_BAD, 1},
        {"\xe2\x80", LM_UTF8_BAD, 1},
        {"\xf0\x9f\x90", LM_UTF8_BAD, 1},
        {"\xc3z", LM_UTF8_BAD, 1},
        {"\x80", LM_UTF8_BAD, 1},
        {"\xff", LM_UTF8_BAD, 1},
        {"\xc0\xaf", LM_UTF8_BAD, 1},
        {"\xe0\x80\xaf", LM_UTF8_BAD, 1},
        {"\xf0\x80\x80\xaf", LM_UTF8_BAD, 1},
        {"\xf4\x90\x80\x80", LM_UTF8_BAD, 1},
        {"\xed\xa0\x80", LM_UTF8_BAD, 1},
    };
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(lm_utf8_next(table[i].text, &length),
                         table[i].character);
        assert_int_equal(length, table[i].length);
    }
}

static void what_is_shown(void **state)
{
    char shown[16];

    (void)state;
    lm_utf8_show(shown, sizeof(shown), "caf\xc3\xa9\x1b[1m");
    assert_string_equal(shown, "caf\xc3\xa9?[1m");
    lm_utf8_show(shown, sizeof(shown),
                 "a\xc2\x9b"
                 "b\x9b"
                 "c\xe2\x80\xae"
                 "d\xff");
    assert_string_equal(shown, "a?b?c?d?");
    /* No character in two. */
    lm_utf8_show(shown, 6, "1234\xc3\xa9");
    assert_string_equal(shown, "1234");
    lm_utf8_show(shown, 7, "1234\xc3\xa9");
    assert_string_equal(shown, "1234\xc3\xa9");
}

static void names_that_may_come(void **state)
{
    static const char *const good[] = {
        "web", "my web", "caf\xc3\xa9", "caf\xe9", "\xf0\x9f\x90\xa7",
    };
    static const char *const bad[] = {
        "",          "a/b",   "a\nb",          "a\x7f",         "a\x1b[31m",
        "a\xc2\x9b", "a\x9b", "a\xe2\x80\xae", "a\xe2\x81\xa6", "a\xd8\x9c",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(xl_name_is_good(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(xl_name_is_good(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(what_is_shown),
        cmocka_unit_test(names_that_may_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
