/*
 * make_seeds DIR: seeds for the fuzzers, out of migrations that work:
 * DIR/restore and DIR/save, both there already.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_migration.h"

static const char *directory;

static void keep(struct fake_migration *migration, enum fake_way way,
                 const char *kind, unsigned int number)
{
    size_t length;
    const uint8_t *octets = fake_link_heard(migration->link, way, &length);
    char path[4096];
    FILE *file;

    if (!length) {
        return; /* nothing goes back */
    }
    snprintf(path, sizeof(path), "%s/%s/seed%u", directory, kind, number);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(octets, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void refuse_one(struct fake_migration *migration)
{
    fake_page_busy(migration->destination, 3, true);
}

static void make_seeds(void **state)
{
    static const struct {
        unsigned int rounds;
        enum xlm_precopy_answer answer;
        bool one_way;
    } ways[] = {{0, XLM_PRECOPY_POSTCOPY, false},
                {1, XLM_PRECOPY_POSTCOPY, false},
                {1, XLM_PRECOPY_STOP_AND_COPY, false},
                {1, XLM_PRECOPY_STOP_AND_COPY, true}};
    unsigned int i;

    (void)state;
    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct fake_migration *migration = fake_migration_new(10, 1);

        migration->rounds = ways[i].rounds;
        migration->answer = ways[i].answer;
        migration->at_build = refuse_one;
        migration->params.in_fd = ways[i].one_way ? -1 : 0;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        keep(migration, FAKE_FORTH, "restore", i);
        keep(migration, FAKE_BACK, "save", i);
        fake_migration_free(migration);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(make_seeds)};

    if (argc != 2) {
        return 2;
    }
    directory = argv[1];
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
