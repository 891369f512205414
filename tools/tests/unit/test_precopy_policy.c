#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "precopy_policy.h"

static const struct {
    bool postcopy;
    unsigned int iterations;
    uint64_t threshold;
    unsigned int iteration;
    uint64_t dirty;
    enum xlm_precopy_answer answer;
} cases[] = {
    /* Pure postcopy: no round at all, however small the guest. */
    {true, 0, 50, 0, 100000, XLM_PRECOPY_POSTCOPY},
    {true, 0, 50, 0, 10, XLM_PRECOPY_POSTCOPY},
    {true, 0, 0, 0, 0, XLM_PRECOPY_POSTCOPY},
    /* Hybrid: the rounds that were asked for, then postcopy ... */
    {true, 2, 50, 0, 100000, XLM_PRECOPY_CONTINUE},
    {true, 2, 50, 0, 10, XLM_PRECOPY_CONTINUE},
    {true, 2, 50, 1, 51, XLM_PRECOPY_CONTINUE},
    {true, 2, 50, 2, 51, XLM_PRECOPY_POSTCOPY},
    {true, 2, 50, 3, 51, XLM_PRECOPY_POSTCOPY},
    /* ... unless so little is left that a stop is over as soon. */
    {true, 2, 50, 1, 50, XLM_PRECOPY_STOP_AND_COPY},
    {true, 2, 50, 2, 0, XLM_PRECOPY_STOP_AND_COPY},
    {true, 2, 0, 1, 1, XLM_PRECOPY_CONTINUE},
    {true, 2, 0, 1, 0, XLM_PRECOPY_STOP_AND_COPY},
    /* Without postcopy. */
    {false, 5, 50, 0, 10, XLM_PRECOPY_CONTINUE},
    {false, 5, 50, 4, 51, XLM_PRECOPY_CONTINUE},
    {false, 5, 50, 5, 51, XLM_PRECOPY_STOP_AND_COPY},
    {false, 5, 50, 1, 50, XLM_PRECOPY_STOP_AND_COPY},
    {false, 0, 50, 0, 100000, XLM_PRECOPY_STOP_AND_COPY},
};

static void table(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lm_precopy_limits limits = {
            .postcopy = cases[i].postcopy,
            .iterations = cases[i].iterations,
            .dirty_threshold = cases[i].threshold,
        };
        const struct xlm_precopy_stats stats = {
            .iteration = cases[i].iteration,
            .dirty_count = cases[i].dirty,
            .guest_pages = 100000,
        };

        if (lm_precopy_policy(&limits, &stats) != cases[i].answer) {
            fail_msg("case %zu has another answer", i);
        }
    }
}

/* However dirty the guest stays, the policy comes to an end. */
static void it_ends(void **state)
{
    struct lm_precopy_limits limits = {.dirty_threshold = 50};
    struct xlm_precopy_stats stats = {.dirty_count = 100000};

    (void)state;
    for (limits.iterations = 0; limits.iterations < 40; limits.iterations++) {
        limits.postcopy = limits.iterations % 2;
        for (stats.iteration = 0;
             lm_precopy_policy(&limits, &stats) == XLM_PRECOPY_CONTINUE;
             stats.iteration++) {
            assert_true(stats.iteration < limits.iterations);
        }
        assert_int_equal(stats.iteration, limits.iterations);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
