/* SPDX-License-Identifier: LGPL-2.1-or-later
 * make_seeds DIR: writes seeds for the fuzzers, made by the library's own
 * writers, to DIR/restore, DIR/save and so on, which must exist.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"
#include "fake_migration.h"
#include "save_header.h"
#include "visitor.h"
#include "wishes.h"
#include "stream/stream.h"
#include "wire/record.h"

static const char *directory;

static void write_seed(const char *kind, unsigned int number,
                       const void *octets, size_t length)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s/seed%u", directory, kind, number);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(octets, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* The first of these records, after the state in which it may come. */
static void keep_record(const uint8_t *octets, size_t size, void *unused)
{
    static unsigned int number;
    uint8_t *seed = malloc(1 + size);
    enum xlm_reader_state state;

    (void)unused;
    memcpy(seed + 1, octets, size);
    for (state = 0; state <= XLM_READ_CREDIT; state++) {
        if (xlm_record_is_legal(octets[0], state)) {
            seed[0] = state;
            write_seed("record", number++, seed, 1 + size);
            break;
        }
    }
    free(seed);
}

static void keep(struct fake_link *link, enum fake_way way, const char *kind,
                 unsigned int number)
{
    size_t length;
    const uint8_t *octets = fake_link_heard(link, way, &length);

    if (length) { /* otherwise nothing goes back */
        write_seed(kind, number, octets, length);
    }
}

static void refuse_one(struct fake_migration *migration)
{
    fake_page_busy(migration->outcome.destination, 3, true);
}

static void make_seeds(void **state)
{
    static const struct {
        unsigned int rounds;
        enum xlm_precopy_answer answer;
        bool one_way;
        enum xlm_compress compress;
    } ways[] = {
        {0, XLM_PRECOPY_POSTCOPY, false, XLM_COMPRESS_OFF},
        {1, XLM_PRECOPY_POSTCOPY, false, XLM_COMPRESS_OFF},
        {1, XLM_PRECOPY_STOP_AND_COPY, false, XLM_COMPRESS_OFF},
        {1, XLM_PRECOPY_STOP_AND_COPY, true, XLM_COMPRESS_OFF},
        {0, XLM_PRECOPY_POSTCOPY, false, XLM_COMPRESS_ZSTD},
        {1, XLM_PRECOPY_POSTCOPY, false, XLM_COMPRESS_ZSTD},
    };
    unsigned int i;

    (void)state;
    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct fake_migration *migration = fake_migration_new(16, 1);

        migration->script.rounds = ways[i].rounds;
        migration->script.answer = ways[i].answer;
        migration->script.at_build = refuse_one;
        migration->setup.params.in_fd = ways[i].one_way ? -1 : 0;
        migration->setup.params.compress = ways[i].compress;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        keep(migration->outcome.link, FAKE_FORTH, "restore", i);
        keep(migration->outcome.link, FAKE_BACK, "save", i);
        if (!ways[i].one_way) { /* else libxl's follow without a word */
            fake_link_each_record(migration->outcome.link, FAKE_FORTH,
                                  fake_first_record(FAKE_FORTH), keep_record,
                                  NULL);
            fake_link_each_record(migration->outcome.link, FAKE_BACK,
                                  fake_first_record(FAKE_BACK), keep_record,
                                  NULL);
        }
        fake_migration_free(migration);
    }
}

/* The records over another connection, after the first one was lost: within
 * its first page, when all pages had come, and before the guest could run. */
static void make_recovery_seeds(void **state)
{
    static const struct fake_cut cuts[] = {
        {.way = FAKE_FORTH,
         .octets = 100,
         .at_record = true,
         .type = XLM_REC_POSTCOPY_PAGE_DATA},
        {.way = FAKE_BACK,
         .octets = 1,
         .at_record = true,
         .type = XLM_REC_POSTCOPY_COMPLETE},
        {.way = FAKE_FORTH,
         .octets = 1,
         .at_record = true,
         .type = XLM_REC_POSTCOPY_GO},
    };
    unsigned int i;

    (void)state;
    for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = fake_migration_new(10, 1);

        migration->script.recoveries = 1;
        migration->script.cut = cuts[i];
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.recovered, 1);
        assert_int_equal(migration->outcome.save_rc, 0);
        keep(migration->outcome.recovery_links[0], FAKE_BACK, "recover", i);
        fake_link_each_record(migration->outcome.recovery_links[0], FAKE_FORTH,
                              0, keep_record, NULL);
        fake_link_each_record(migration->outcome.recovery_links[0], FAKE_BACK,
                              0, keep_record, NULL);
        fake_migration_free(migration);
    }
}

static void make_light_seeds(void **state)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;
    const uint64_t end = LM_REC_POSTCOPY_TRANSITION_END;
    uint8_t stream[LM_PROLOGUE_SIZE + 200];
    size_t length;
    void *devices;

    (void)state;
    xlm.logger = fake_logger();
    lm_make_prologue(stream);
    devices =
        lm_make_emulator_context(&xlm, "the state of a QEMU", 19, &length);
    memcpy(stream + LM_PROLOGUE_SIZE, devices, length);
    memcpy(stream + LM_PROLOGUE_SIZE + length, &end, sizeof(end));
    write_seed("light", 0, stream, LM_PROLOGUE_SIZE + length + sizeof(end));
    write_seed("light", 1, devices, length);
    free(devices);
}

static void make_config_seed(void **state)
{
    static const char json[] =
        "{\"c_info\": {\"type\": \"pvh\", \"name\": \"guest\"}, "
        "\"b_info\": {\"max_memkb\": 131072, \"cpuid\": [{\"leaf\": 1, "
        "\"eax\": \"xx\\\"0\"}], \"hap\": true}, \"disks\": [], "
        "\"x\": null, \"y\": -1.5e3}";
    struct xl_save_header header;
    struct xl_save_data data;
    uint8_t seed[sizeof(header) + sizeof(data) + sizeof(json)];

    (void)state;
    xl_save_header_make(&header, &data, sizeof(json));
    memcpy(seed, &header, sizeof(header));
    memcpy(seed + sizeof(header), &data, sizeof(data));
    memcpy(seed + sizeof(header) + sizeof(data), json, sizeof(json));
    write_seed("config", 0, seed, sizeof(seed));
}

/* Octets for both connections, by a 16-bit number of those for the first. */
static void make_stream_seeds(void **state)
{
    struct {
        uint8_t on_first[2];
        uint8_t octets[128];
    } seed = {{0, 24}, {0}};
    const struct xlm_wire_record_header end = {
        .type = XLM_REC_POSTCOPY_STREAM_END,
        .length = sizeof(struct xlm_wire_stream_end)};
    const struct xlm_wire_stream_end body = {.index = 1};
    const struct xlm_wire_record_header credit = {
        .type = XLM_REC_POSTCOPY_CREDIT,
        .length = sizeof(struct xlm_wire_credit)};
    const struct xlm_wire_credit paid = {.pages = 1};

    (void)state;
    memcpy(seed.octets, &end, sizeof(end));
    memcpy(seed.octets + sizeof(end), &body, sizeof(body));
    memcpy(seed.octets + 24, &credit, sizeof(credit));
    memcpy(seed.octets + 32, &paid, sizeof(paid));
    write_seed("streams", 0, (const uint8_t *)&seed, 2 + 40);
    seed.on_first[1] = 0;
    write_seed("streams", 1, (const uint8_t *)&seed, 2 + 40);
}

static void make_visitor_seeds(void **state)
{
    static const uint8_t others[][XL_VISITOR_OCTETS] = {
        {0x26}, {0x29}, {0x32}, {0x16, 3, 1}, {'X', 'e', 'n', ' '}};
    struct xl_options options;
    struct xl_wishes wishes;

    (void)state;
    xl_options_init(&options, XL_COMMAND_MIGRATE);
    options.check = true;
    xl_wishes_make(&wishes, &options);
    write_seed("visitor", 0, &wishes, sizeof(wishes));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        write_seed("visitor", 1 + i, others[i], sizeof(others[i]));
    }
}

/* Seeds of formats that other programs write. */
static void make_text_seeds(void **state)
{
    static const char qmp[] =
        "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
        "{\"return\": {}}\r\n"
        "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n"
        "{\"return\": {\"fdset-id\": 7, \"fd\": 12}}\r\n"
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n";
    static const char control[] =
        "version=1\nrole=source\nstate=running\nphase=precopy\nname=guest\n"
        "pid=1\nstart-time=7\nelapsed-ms=1000\nbackground-rate=unlimited\n"
        "reason=none\nguest-pages=32768\nrequest/1-2=set-rate 1000\n"
        "answer/1-2=error too late\nrequest/1-3=start-postcopy\n"
        "request/1-4=abort\n";

    (void)state;
    write_seed("qmp", 0, qmp, sizeof(qmp) - 1);
    write_seed("control", 0, control, sizeof(control) - 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(make_seeds),
        cmocka_unit_test(make_recovery_seeds),
        cmocka_unit_test(make_light_seeds),
        cmocka_unit_test(make_config_seed),
        cmocka_unit_test(make_stream_seeds),
        cmocka_unit_test(make_visitor_seeds),
        cmocka_unit_test(make_text_seeds),
    };

    if (argc != 2) {
        return 2;
    }
    directory = argv[1];
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
