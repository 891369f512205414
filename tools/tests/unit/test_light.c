/*
 * What is pure of the upper layers: when precopy ends, and xl's own header.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "precopy_policy.h"
#include "save_header.h"

/* ---- the policy ---- */

struct policy_row {
    struct lm_precopy_limits limits;
    unsigned int iteration;
    uint64_t dirty;
    enum xlm_precopy_answer answer;
};

#define POSTCOPY(n, threshold) \
    { \
        true, n, threshold \
    }
#define PRECOPY(n, threshold) \
    { \
        false, n, threshold \
    }

static const struct policy_row policy_rows[] = {
    /* Pure postcopy: at once, even where little would be left. */
    {POSTCOPY(0, 50), 0, 100000, XLM_PRECOPY_POSTCOPY},
    {POSTCOPY(0, 50), 0, 10, XLM_PRECOPY_POSTCOPY},
    {POSTCOPY(0, 50), 0, 0, XLM_PRECOPY_POSTCOPY},
    /* Hybrid: its rounds first. */
    {POSTCOPY(2, 50), 0, 100000, XLM_PRECOPY_CONTINUE},
    {POSTCOPY(2, 50), 1, 100000, XLM_PRECOPY_CONTINUE},
    {POSTCOPY(2, 50), 2, 100000, XLM_PRECOPY_POSTCOPY},
    {POSTCOPY(2, 50), 3, 100000, XLM_PRECOPY_POSTCOPY},
    /* A round that leaves little ends it the ordinary way. */
    {POSTCOPY(5, 50), 1, 51, XLM_PRECOPY_CONTINUE},
    {POSTCOPY(5, 50), 1, 50, XLM_PRECOPY_STOP_AND_COPY},
    {POSTCOPY(1, 50), 1, 50, XLM_PRECOPY_STOP_AND_COPY},
    {POSTCOPY(1, 0), 1, 1, XLM_PRECOPY_POSTCOPY},
    {POSTCOPY(1, 0), 1, 0, XLM_PRECOPY_STOP_AND_COPY},
    {POSTCOPY(1, UINT64_MAX), 1, 100000, XLM_PRECOPY_STOP_AND_COPY},
    {POSTCOPY(UINT32_MAX, 50), UINT32_MAX, 51, XLM_PRECOPY_POSTCOPY},
    /* Ordinary live migration. */
    {PRECOPY(5, 50), 0, 100000, XLM_PRECOPY_CONTINUE},
    {PRECOPY(5, 50), 4, 100000, XLM_PRECOPY_CONTINUE},
    {PRECOPY(5, 50), 5, 100000, XLM_PRECOPY_STOP_AND_COPY},
    {PRECOPY(5, 50), 2, 49, XLM_PRECOPY_STOP_AND_COPY},
    {PRECOPY(0, 50), 0, 100000, XLM_PRECOPY_STOP_AND_COPY},
};

static void the_policy_follows_its_table(void **state)
{
    const struct policy_row *row;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(policy_rows) / sizeof(*policy_rows); i++) {
        row = &policy_rows[i];
        const struct xlm_precopy_stats stats = {
            .iteration = row->iteration,
            .dirty_count = row->dirty,
        };

        if (lm_precopy_policy(&row->limits, &stats) != row->answer) {
            fail_msg("row %zu", i);
        }
    }
}

/* ---- xl's own header ---- */

#define CONFIG "{\"name\":\"x\"}"

static void a_header_made_is_a_header_taken(void **state)
{
    struct xl_save_header header;
    uint8_t data[sizeof(struct xl_save_data) + sizeof(CONFIG)];
    struct xl_save_data head;
    const char *config = NULL;

    (void)state;
    xl_save_header_make(&header, &head, sizeof(CONFIG));
    memcpy(data, &head, sizeof(head));
    memcpy(data + sizeof(head), CONFIG, sizeof(CONFIG));

    assert_null(xl_save_header_check(&header));
    assert_int_equal(header.data_length, sizeof(data));
    assert_null(xl_save_data_check(data, sizeof(data), &config));
    assert_string_equal(config, CONFIG);
}

static void bad_headers_are_refused(void **state)
{
    struct xl_save_header good, bad;
    struct xl_save_data head;

    (void)state;
    xl_save_header_make(&good, &head, sizeof(CONFIG));

    bad = good;
    bad.magic[31] ^= 1;
    assert_non_null(xl_save_header_check(&bad));
    bad = good;
    bad.byte_order = 0x04030201;
    assert_non_null(xl_save_header_check(&bad));
    bad = good;
    bad.mandatory_flags |= 1u << 2;
    assert_non_null(xl_save_header_check(&bad));
    bad = good;
    bad.mandatory_flags = XL_SAVE_STREAM_V2;
    assert_non_null(xl_save_header_check(&bad));
    bad = good;
    bad.data_length = XL_SAVE_DATA_MAX + 1;
    assert_non_null(xl_save_header_check(&bad));
    /* Optional flags are for those who know them. */
    bad = good;
    bad.optional_flags = ~0u;
    assert_null(xl_save_header_check(&bad));
}

static void bad_data_is_refused(void **state)
{
    struct {
        uint32_t length;
        char config[4];
    } data = {.length = 4, .config = "abc"};
    const char *config = NULL;

    (void)state;
    assert_null(xl_save_data_check(&data, sizeof(data), &config));
    assert_non_null(xl_save_data_check(&data, 0, &config));
    assert_non_null(xl_save_data_check(&data, 3, &config));
    assert_non_null(xl_save_data_check(&data, sizeof(data) - 1, &config));
    data.length = 0;
    assert_non_null(xl_save_data_check(&data, sizeof(data), &config));
    data.length = 5;
    assert_non_null(xl_save_data_check(&data, sizeof(data), &config));
    data.length = UINT32_MAX;
    assert_non_null(xl_save_data_check(&data, sizeof(data), &config));
    data.length = 3; /* ends in "c" */
    assert_non_null(xl_save_data_check(&data, sizeof(data), &config));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_policy_follows_its_table),
        cmocka_unit_test(a_header_made_is_a_header_taken),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_data_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
