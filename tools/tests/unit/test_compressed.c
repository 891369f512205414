/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whole migrations whose pages go compressed, and as a word that is repeated.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_heard.h"
#include "fake_migration.h"
#include "fake_streams.h"
#include "wire/wire.h"

#define PAGES 640

static struct fake_migration *new_migration(unsigned int vcpus)
{
    struct fake_migration *migration = fake_migration_new(PAGES, vcpus);

    migration->script.vcpu_seed = 1;
    migration->setup.params.compress = XLM_COMPRESS_ZSTD;
    migration->setup.params.hot_pages_max = 8;
    return migration;
}

/* ---- what went over a connection ---- */

struct forms {
    uint64_t compressed; /* pages */
    uint64_t repeated;
    uint64_t after_go; /* of both */
    bool gone;
};

static void note(const uint8_t *octets, size_t size, void *data)
{
    struct xlm_wire_record_header header;
    struct forms *forms = data;
    uint32_t count = 0;

    (void)size;
    memcpy(&header, octets, sizeof(header));
    if (header.length >= sizeof(count)) {
        memcpy(&count, octets + sizeof(header), sizeof(count));
    }
    forms->gone |= header.type == XLM_REC_POSTCOPY_GO;
    if (header.type == XLM_REC_POSTCOPY_COMPRESSED) {
        forms->compressed += count;
    } else if (header.type == XLM_REC_POSTCOPY_REPEATED_PAGES) {
        forms->repeated += count;
    } else {
        return;
    }
    forms->after_go += forms->gone ? count : 0;
}

static struct forms forms_on(struct fake_link *link, bool first)
{
    struct forms forms = {.gone = !first};

    fake_link_each_record(link, FAKE_FORTH,
                          first ? fake_first_record(FAKE_FORTH) : 0, note,
                          &forms);
    return forms;
}

/* The counters say what went, and that it was smaller. */
static void check_counted(const struct fake_migration *migration,
                          const struct forms *forms)
{
    const struct xlm_stats *stats = &migration->outcome.stats[0];

    assert_int_equal(stats->compressed_pages, forms->compressed);
    assert_int_equal(stats->repeated_pages, forms->repeated);
    assert_true(stats->compressed_pages > 0);
    assert_in_range(stats->compressed_bytes, 1,
                    stats->compressed_pages * XLM_PAGE_SIZE / 16 * 15);
}

/* ---- moves ---- */

static void in_the_push(void **state)
{
    struct fake_migration *migration = new_migration(1);
    struct forms forms;

    (void)state;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    forms = forms_on(migration->outcome.link, true);
    check_counted(migration, &forms);
    assert_true(forms.after_go > 0);
    assert_true(forms.repeated > 0);
    fake_migration_free(migration);
}

/* What was sent and is written again comes in another form, over the old
 * contents: zeroes, one word, compressed. */
static void write_all(struct fake_migration *migration)
{
    for (uint64_t pfn = 0; pfn < PAGES; pfn += 3) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static void in_precopy(void **state)
{
    static const enum xlm_precopy_answer answers[] = {
        XLM_PRECOPY_POSTCOPY, XLM_PRECOPY_STOP_AND_COPY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fake_migration *migration = new_migration(1);
        struct forms forms;

        migration->script.vcpu_seed = 0;
        migration->script.rounds = 3;
        migration->script.answer = answers[i];
        migration->script.at_policy = write_all;
        migration->setup.params.evict_early = true;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        forms = forms_on(migration->outcome.link, true);
        check_counted(migration, &forms);
        assert_true(forms.compressed > PAGES / 3);
        fake_migration_free(migration);
    }
}

static void there_and_back(void **state)
{
    struct fake_migration *migration = new_migration(2);

    (void)state;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_migration_turn_round(migration);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_migration_free(migration);
}

static void over_streams(void **state)
{
    struct fake_migration *migration = new_migration(2);
    struct forms forms;

    (void)state;
    migration->setup.params.streams = 3;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    forms = forms_on(migration->outcome.link, true);
    for (uint32_t i = 1; i < 3; i++) {
        struct forms more =
            forms_on(fake_streams_link(migration, i, 0), false);

        forms.compressed += more.compressed;
        forms.repeated += more.repeated;
    }
    check_counted(migration, &forms);
    fake_migration_free(migration);
}

/* A stream is lost within the first thing that it brings: no page is lost with
 * it, in whatever form. */
static void streams_are_lost(void **state)
{
    static const uint32_t types[] = {XLM_REC_POSTCOPY_COMPRESSED,
                                     XLM_REC_POSTCOPY_ZERO_PAGES,
                                     XLM_REC_POSTCOPY_REPEATED_PAGES};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fake_migration *migration = new_migration(2);

        migration->setup.params.streams = 3;
        for (uint32_t stream = 1; stream < 3; stream++) {
            migration->script.stream_cuts[stream] = (struct fake_cut){
                .way = FAKE_FORTH,
                .octets = 20,
                .at_record = true,
                .type = types[i],
            };
        }
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* The first connection is lost within such a record: the next one agrees
 * anew. */
static void recovered(void **state)
{
    static const uint32_t types[] = {XLM_REC_POSTCOPY_COMPRESSED,
                                     XLM_REC_POSTCOPY_REPEATED_PAGES};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fake_migration *migration = new_migration(1);
        struct forms forms;

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.cut = (struct fake_cut){.way = FAKE_FORTH,
                                                  .octets = 30,
                                                  .at_record = true,
                                                  .type = types[i]};
        /* not in the stop */
        migration->setup.params.hot_pages_max = 0;
        fake_migration_run(migration);
        fake_migration_check_recovered(migration);
        assert_true(migration->outcome.recovered > 0);
        if (i == 0) { /* much is left */
            forms = forms_on(migration->outcome.recovery_links[0], false);
            assert_true(forms.compressed > 0);
        }
        fake_migration_free(migration);
    }
}

/* Requested pages, with or without a channel of their own. */
static void never_what_was_requested(void **state)
{
    (void)state;
    for (unsigned int channel = 0; channel < 2; channel++) {
        struct fake_migration *migration = new_migration(2);
        struct forms forms;

        migration->script.fault_channel = channel;
        migration->setup.params.hot_pages_max = 0;
        migration->setup.params.no_push = true;
        migration->setup.params.neighbours_adapt = false;
        migration->setup.params.neighbours_below =
            migration->setup.params.neighbours_above = 0;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        forms = channel ? forms_on(migration->outcome.fault_link, false)
                        : forms_on(migration->outcome.link, true);
        assert_int_equal(forms.compressed, 0);
        assert_true(forms.repeated > 0);
        fake_migration_free(migration);
    }
}

/* An image is for stock toolstacks. */
static void never_in_an_image(void **state)
{
    struct fake_migration *migration = new_migration(1);
    struct forms forms;

    (void)state;
    migration->setup.params.in_fd = -1;
    migration->script.rounds = 1;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    forms = forms_on(migration->outcome.link, true);
    assert_int_equal(forms.compressed + forms.repeated, 0);
    fake_migration_free(migration);
}

static void switched_off(void **state)
{
    struct fake_migration *migration = new_migration(1);

    (void)state;
    migration->setup.params.compress = XLM_COMPRESS_OFF;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(migration->outcome.stats[0].compressed_pages, 0);
    assert_int_equal(migration->outcome.stats[0].compressed_bytes, 0);
    assert_true(migration->outcome.stats[0].repeated_pages > 0);
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_push),
        cmocka_unit_test(in_precopy),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(over_streams),
        cmocka_unit_test(streams_are_lost),
        cmocka_unit_test(recovered),
        cmocka_unit_test(never_what_was_requested),
        cmocka_unit_test(never_in_an_image),
        cmocka_unit_test(switched_off),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
