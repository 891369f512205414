/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "save_header.h"

static void golden(void **state)
{
    static const uint8_t octets[] = {
        'X', 'e', 'n', ' ', 's', 'a', 'v', 'e', 'd', ' ',  'd',
        'o', 'm', 'a', 'i', 'n', ',', ' ', 'x', 'l', ' ',  'f',
        'o', 'r', 'm', 'a', 't', 10,  ' ', 0,   ' ', 0x0d, /* the magic */
        4,   3,   2,   1,   3,   0,   0,   0,   0,   0,    0,
        0,   9,   0,   0,   0};
    struct xl_save_header header;
    struct xl_save_data data;

    (void)state;
    xl_save_header_make(&header, &data, 5);
    assert_int_equal(sizeof(header), sizeof(octets));
    assert_memory_equal(&header, octets, sizeof(octets));
    assert_int_equal(data.config_length, 5);
    assert_null(xl_save_header_check(&header));
}

static void optional_flags_are_optional(void **state)
{
    struct xl_save_header header;
    struct xl_save_data data;

    (void)state;
    xl_save_header_make(&header, &data, 5);
    header.optional_flags = 0xffffffff;
    assert_null(xl_save_header_check(&header));
}

static void bad_headers(void **state)
{
    struct xl_save_header header;
    struct xl_save_data data;
    uint32_t flags;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(header.magic); i++) {
        xl_save_header_make(&header, &data, 5);
        header.magic[i] ^= 1;
        assert_non_null(xl_save_header_check(&header));
    }
    xl_save_header_make(&header, &data, 5);
    header.byte_order = 0x04030201;
    assert_non_null(xl_save_header_check(&header));
    for (flags = 0; flags < 8; flags++) {
        xl_save_header_make(&header, &data, 5);
        header.mandatory_flags = flags;
        if (flags != (XL_SAVE_JSON | XL_SAVE_STREAM_V2)) {
            assert_non_null(xl_save_header_check(&header));
        }
    }
}

static void lengths(void **state)
{
    struct xl_save_header header;
    struct xl_save_data data;

    (void)state;
    xl_save_header_make(&header, &data, 5);
    header.data_length = XL_SAVE_DATA_MAX;
    assert_null(xl_save_header_check(&header));
    header.data_length = XL_SAVE_DATA_MAX + 1;
    assert_non_null(xl_save_header_check(&header));
    header.data_length = UINT32_MAX;
    assert_non_null(xl_save_header_check(&header));
}

/* The data is in memory of exactly that size, so that a read past its end is
 * found. */
static const char *check(uint32_t config_length, const void *text,
                         size_t length)
{
    uint8_t *data = malloc(4 + length);
    const char *config = NULL, *wrong;

    memcpy(data, &config_length, 4);
    memcpy(data + 4, text, length);
    wrong = xl_save_data_check(data, 4 + length, &config);
    if (!wrong) {
        assert_ptr_equal(config, data + 4);
        assert_true(strlen(config) < config_length);
    }
    free(data);
    return wrong;
}

static void configurations(void **state)
{
    static const uint8_t octets[4];
    const char *config = NULL;
    size_t length;

    (void)state;
    assert_null(check(3, "{}", 3));
    assert_null(check(3, "{}\0more", 8));
    assert_null(check(1, "", 1));
    assert_non_null(check(0, "{}", 3));
    assert_non_null(check(2, "{}", 3));
    assert_non_null(check(4, "{}", 3));
    assert_non_null(check(UINT32_MAX, "{}", 3));
    assert_non_null(check(UINT32_MAX - 3, "{}", 3));
    for (length = 0; length < 4; length++) {
        assert_non_null(xl_save_data_check(octets, length, &config));
    }
    assert_null(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(optional_flags_are_optional),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(lengths),
        cmocka_unit_test(configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
