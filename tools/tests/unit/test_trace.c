/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The trace: all points that threads record come out, from any number of
 * threads, and a file that cannot be written is reported.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "slow.h"
#include "trace.h"

#define THREADS 4
#define EACH (UNDER_TSAN ? 2000 : 20000)

static char directory[] = "/tmp/test-trace-XXXXXX";
static char path[64];
static struct xlm_context ctx = XLM_CONTEXT_INIT;

static int make_directory(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/trace", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

/* To be freed. */
static char *read_back(void)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;

    assert_non_null(file);
    assert_true(getdelim(&text, &room, '\0', file) > 0);
    fclose(file);
    return text;
}

static unsigned int count(const char *text, const char *what)
{
    unsigned int found = 0;

    while ((text = strstr(text, what))) {
        found++;
        text += strlen(what);
    }
    return found;
}

static void what_is_put_comes_out(void **state)
{
    const uint8_t id[16] = {0xab, [15] = 0xcd};
    char *text;

    (void)state;
    ctx.trace = xlm_trace_open(path);
    assert_non_null(ctx.trace);
    xlm_trace_identify(ctx.trace, XLM_TRACE_SOURCE, id);
    XLM_MARK(&ctx, stopped);
    XLM_TRACE(&ctx, heard, 0x1a2b, 3);
    XLM_TRACE(&ctx, chosen, 0, XLM_TRACE_NONE);
    XLM_TRACE(&ctx, lacking_heard, XLM_TRACE_NONE, 77);
    assert_int_equal(xlm_trace_close(ctx.trace), 0);
    ctx.trace = NULL;
    text = read_back();
    assert_true(!strncmp(text, "xl-migrate-trace 1\nrole source\nid ab", 36));
    assert_non_null(strstr(text, "cd\nbegan "));
    assert_non_null(strstr(text, "\nlost 0\n"));
    assert_non_null(strstr(text, " stopped\n"));
    assert_non_null(strstr(text, " heard 0x1a2b 3\n"));
    assert_non_null(strstr(text, " chosen 0\n"));
    assert_non_null(strstr(text, " lacking_heard - 77\n"));
    assert_non_null(strstr(text, "\nend 4\n"));
    free(text);
}

static void without_a_trace_nothing_happens(void **state)
{
    (void)state;
    XLM_MARK(&ctx, stopped);
    xlm_trace_identify(NULL, XLM_TRACE_SOURCE, NULL);
    assert_int_equal(xlm_trace_close(NULL), 0);
}

/* Of points about pages the latest stay; of all others the first. */
static void more_than_there_is_room_for(void **state)
{
    char *text, last[64];

    (void)state;
    ctx.trace = xlm_trace_open(path);
    for (uint64_t i = 0; i < XLM_TRACE_PAGES + 5; i++) {
        XLM_TRACE(&ctx, seen, i, 1);
    }
    for (uint64_t i = 0; i < XLM_TRACE_MARKS + 2; i++) {
        XLM_TRACE(&ctx, lost, XLM_TRACE_NONE, i);
    }
    assert_int_equal(xlm_trace_close(ctx.trace), 0);
    ctx.trace = NULL;
    text = read_back();
    assert_non_null(strstr(text, "\nlost 7\n"));
    assert_null(strstr(text, " seen 0x4 "));
    assert_non_null(strstr(text, " seen 0x5 "));
    snprintf(last, sizeof(last), " seen %#x 1\nend %u\n", XLM_TRACE_PAGES + 4,
             XLM_TRACE_PAGES + XLM_TRACE_MARKS);
    assert_non_null(strstr(text, last));
    assert_non_null(strstr(text, " lost - 0\n"));
    snprintf(last, sizeof(last), " lost - %u\n", XLM_TRACE_MARKS - 1);
    assert_non_null(strstr(text, last));
    snprintf(last, sizeof(last), " lost - %u\n", XLM_TRACE_MARKS);
    assert_null(strstr(text, last));
    free(text);
}

static void *put_many(void *data)
{
    for (uint64_t i = 0; i < EACH; i++) {
        XLM_TRACE(&ctx, asked, (uintptr_t)data, i);
    }
    return NULL;
}

static void from_several_threads(void **state)
{
    pthread_t threads[THREADS];
    char *text, what[32];

    (void)state;
    ctx.trace = xlm_trace_open(path);
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, put_many, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(xlm_trace_close(ctx.trace), 0);
    ctx.trace = NULL;
    text = read_back();
    for (unsigned int i = 1; i <= THREADS; i++) {
        snprintf(what, sizeof(what), " asked %#x ", i);
        assert_int_equal(count(text, what), EACH);
    }
    free(text);
}

static void refused(const char *where, int error)
{
    errno = 0;
    assert_null(xlm_trace_open(where));
    assert_int_equal(errno, error);
}

static void files_that_do_not_do(void **state)
{
    char link[80];

    (void)state;
    refused("/nowhere/at/all", ENOENT);
    refused(directory, EISDIR);
    refused("/dev/full", EINVAL);
    snprintf(link, sizeof(link), "%s/link", directory);
    assert_int_equal(symlink(path, link), 0);
    refused(link, ELOOP);
    unlink(link);
}

/* The old contents are gone, and other users cannot read the new ones. */
static void it_takes_the_place_of_what_was_there(void **state)
{
    struct xlm_trace *trace;
    struct stat status;

    (void)state;
    unlink(path);
    trace = xlm_trace_open(path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(xlm_trace_close(trace), 0);
    trace = xlm_trace_open(path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(xlm_trace_close(trace), 0);
}

/* As on a disk that is full. */
static void no_room_for_the_file(void **state)
{
    const struct rlimit little = {1000, RLIM_INFINITY};
    struct rlimit before;
    int rc;

    (void)state;
    ctx.trace = xlm_trace_open(path);
    for (uint64_t i = 0; i < 1000; i++) {
        XLM_TRACE(&ctx, seen, i, 1);
    }
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    setrlimit(RLIMIT_FSIZE, &little);
    rc = xlm_trace_close(ctx.trace);
    ctx.trace = NULL;
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(rc, -1);
    assert_int_equal(errno, EFBIG);
}

/* ---- a migration that loses its connection ---- */

static struct xlm_trace *traces[3]; /* source, destination, recovery */

/* test_trace.py looks for files of this name. */
static struct xlm_trace *open_kept(const char *name)
{
    const char *where = getenv("KEEP_TRACES");
    char kept[256];

    snprintf(kept, sizeof(kept), "%s/recovered.%s", where ? where : "/nowhere",
             name);
    return xlm_trace_open(where ? kept : path);
}

static void another_source(struct fake_migration *migration)
{
    migration->outcome.contexts[0].trace = traces[2];
}

static void a_recovery(void **state)
{
    struct fake_migration *migration = fake_migration_new(160, 1);

    (void)state;
    migration->script.vcpu_seed = 1;
    migration->script.recoveries = 1;
    migration->script.at_recovery = another_source;
    migration->setup.params.hot_pages_max = 4;
    migration->script.cut = (struct fake_cut){
        .way = FAKE_FORTH,
        .at_record = true,
        .type = XLM_REC_POSTCOPY_PAGE_DATA,
        .octets = 100,
    };
    traces[0] = open_kept("source");
    traces[1] = open_kept("destination");
    traces[2] = open_kept("source.again");
    migration->outcome.contexts[0].trace = traces[0];
    migration->outcome.contexts[1].trace = traces[1];
    fake_migration_run(migration);
    fake_migration_check_recovered(migration);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(xlm_trace_close(traces[i]), 0);
    }
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_comes_out),
        cmocka_unit_test(without_a_trace_nothing_happens),
        cmocka_unit_test(more_than_there_is_room_for),
        cmocka_unit_test(from_several_threads),
        cmocka_unit_test(files_that_do_not_do),
        cmocka_unit_test(it_takes_the_place_of_what_was_there),
        cmocka_unit_test(no_room_for_the_file),
        cmocka_unit_test(a_recovery),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
