/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which octets of xl's output reach a terminal.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "terminal.h"

struct rig {
    FILE *stream;
    FILE *seen; /* the same file, as it was written */
    char text[20000];
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->seen = tmpfile();
    rig->stream = rig->seen ? xl_terminal_stream(fileno(rig->seen)) : NULL;
    *state = rig;
    return rig->stream ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    fclose(rig->stream);
    fclose(rig->seen);
    free(rig);
    return 0;
}

static const char *seen(struct rig *rig)
{
    ssize_t length;

    fflush(rig->stream);
    length = pread(fileno(rig->seen), rig->text, sizeof(rig->text) - 1, 0);
    assert_true(length >= 0);
    rig->text[length] = '\0';
    return rig->text;
}

static void what_is_harmless(void **state)
{
    static const char text[] = "xl: web-1 b\xc3\xa4r \xe6\x9d\xb1\xe4\xba\xac "
                               "\xf0\x9f\x90\xa7\n\tcolumn\n";
    struct rig *rig = *state;

    fputs(text, rig->stream);
    assert_string_equal(seen(rig), text);
}

static void what_a_terminal_obeys(void **state)
{
    static const struct {
        const char *printed, *seen;
    } cases[] = {
        {"\x1b[2J", "?[2J"},
        {"a\rb", "a?b"},
        {"\a\b\x7f", "???"},
        {"\xc2\x9b"
         "2J",
         "?2J"},
        {"\x9b"
         "2J",
         "?2J"},
        {"\xe2\x80\xaegnp", "?gnp"},
        {"\xe2\x81\xa6x", "?x"},
        {"\xd8\x9cx", "?x"},
        {"\xe2\x80\xa8x", "?x"},
        {"b\xe4r", "b?r"},
        {"\xc0\x9b", "??"},
        {"\xed\xa0\x80", "???"},
    };
    struct rig *rig = *state;
    size_t length = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fprintf(rig->stream, "%s\n", cases[i].printed);
        seen(rig);
        assert_int_equal(
            strncmp(rig->text + length, cases[i].seen, strlen(cases[i].seen)),
            0);
        length += strlen(cases[i].seen) + 1;
        assert_int_equal(strlen(rig->text), length);
    }
}

/* Wherever a character is cut. */
static void octet_by_octet(void **state)
{
    static const char text[] = "\xf0\x9f\x90\xa7\xc2\x9b\xe2\x80\xae\xc3\xa4";
    struct rig *rig = *state;

    for (const char *at = text; *at; at++) {
        fputc(*at, rig->stream);
        fflush(rig->stream);
    }
    assert_string_equal(seen(rig), "\xf0\x9f\x90\xa7??\xc3\xa4");
}

static void an_octet_of_zero(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(fwrite("a\0b\n", 1, 4, rig->stream), 4);
    assert_string_equal(seen(rig), "a?b\n");
}

/* Longer than the piece that is checked at once, with a character on each
 * border. */
static void a_long_line(void **state)
{
    struct rig *rig = *state;
    char *text = calloc(1, 12001);

    for (int i = 0; i < 4000; i++) {
        memcpy(text + 3 * i, "\xe6\x9d\xb1", 3);
    }
    fputs(text, rig->stream);
    assert_string_equal(seen(rig), text);
    free(text);
}

static void a_line_is_seen_at_once(void **state)
{
    struct rig *rig = *state;
    char text[8] = "";

    fputs("line\n", rig->stream);
    assert_int_equal(pread(fileno(rig->seen), text, 5, 0), 5);
    assert_string_equal(text, "line\n");
}

static void nobody_reads(void **state)
{
    FILE *stream = xl_terminal_stream(-1);

    (void)state;
    fputs("line\n", stream);
    assert_true(fflush(stream) || ferror(stream));
    fclose(stream);
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_harmless),
        TEST(what_a_terminal_obeys),
        TEST(octet_by_octet),
        TEST(an_octet_of_zero),
        TEST(a_long_line),
        TEST(a_line_is_seen_at_once),
        cmocka_unit_test(nobody_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
