/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The library as programs use it: from its public functions down to fake
 * hosts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_libxl.h"
#include "fake_xenstore.h"
#include "libxl_live_migrate.h"
#include "slow.h"

#define PAGES 300
#define VCPUS 2
#define ROUNDS (UNDER_TSAN ? 4 : 20)
#define NAME "guest"
#define INCOMING "guest--incoming"
#define AWAY "guest--migratedaway"

/* ---- one move, as a daemon would keep it ---- */

struct end {
    libxl_ctx *ctx;
    libxl_live_migrate_result result;
    sem_t done;
    atomic_uint callbacks;
    int rc;
    pthread_t thread; /* of the callback */
    sigset_t mask;    /* in it */
    bool said; /* postcopy_transitioned or postcopy_resumed at that moment */
    const bool *verdict;
};

struct move {
    struct fake_migration *migration;
    struct end ends[2];
    char name[32];
    char incoming[32];
    char away[48];
    libxl_live_migrate_params params;
    libxl_live_migrate_receive_params receive_params;
    libxl_domain_config config;
    uint32_t domid;
    int abort_fd;
    const char *sent_config;
};

static void called_back(libxl_ctx *ctx, int rc, void *data)
{
    struct end *end = data;

    assert_ptr_equal(ctx, end->ctx);
    end->rc = rc;
    end->thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &end->mask);
    end->said = *end->verdict;
    atomic_fetch_add(&end->callbacks, 1);
    sem_post(&end->done);
}

static const libxl_asyncop_how *how_of(struct end *end, libxl_asyncop_how *how)
{
    *how = (libxl_asyncop_how){
        .callback = called_back,
        .u.for_callback = end,
    };
    return how;
}

static void await(struct end *end)
{
    while (sem_wait(&end->done)) {
        assert_int_equal(errno, EINTR);
    }
    assert_int_equal(atomic_load(&end->callbacks), 1);
    atomic_store(&end->callbacks, 0);
}

static struct move *new_move_of(struct fake_migration *migration,
                                libxl_ctx *from, libxl_ctx *to,
                                const char *name)
{
    struct move *move = calloc(1, sizeof(*move));
    int i;

    move->migration = migration;
    move->ends[0].ctx = from;
    move->ends[1].ctx = to;
    move->ends[0].verdict = &migration->outcome.transitioned;
    move->ends[1].verdict = &migration->outcome.resumed;
    for (i = 0; i < 2; i++) {
        sem_init(&move->ends[i].done, 0, 0);
    }
    snprintf(move->name, sizeof(move->name), "%s", name);
    snprintf(move->incoming, sizeof(move->incoming), "%s--incoming", name);
    snprintf(move->away, sizeof(move->away), "%s--migratedaway", name);
    move->abort_fd = eventfd(0, EFD_CLOEXEC);
    migration->data = move;
    fake_libxl_add(from, name, migration);
    return move;
}

static struct move *new_move(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, VCPUS);

    return new_move_of(migration, fake_libxl_new(migration->setup.hosts[0]),
                       fake_libxl_new(migration->setup.hosts[1]), NAME);
}

/* Set up both ends for the next move of the guest. */
static void prepare(struct move *move)
{
    struct fake_migration *migration = move->migration;
    struct end *ends = move->ends;

    libxl_live_migrate_params_init(&move->params);
    move->params.strategy = LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY;
    move->params.logger = fake_libxl_logger(ends[0].ctx);
    move->params.abort_fd = move->abort_fd;
    move->params.sent_config = move->sent_config;
    libxl_live_migrate_receive_params_init(&move->receive_params);
    move->receive_params.final_name = move->name;
    move->receive_params.pager = fake_receive_pager();
    move->receive_params.logger = fake_libxl_logger(ends[1].ctx);
    libxl_domain_config_init(&move->config);
    move->config.c_info.name = strdup(move->incoming);
    move->config.c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    fake_libxl_expect(ends[1].ctx, move->incoming, migration);
    migration->outcome.link = fake_link_new(&migration->script.cut);
    /* These values reveal a path that does not write them. */
    migration->outcome.transitioned = true;
    migration->outcome.resumed = true;
    memset(&ends[0].result, 0xee, sizeof(ends[0].result));
    memset(&ends[1].result, 0xee, sizeof(ends[1].result));
    fake_guest_start(migration->setup.guest, 1);
}

static int send_over(struct move *move, int fd, uint32_t flags, int back_fd,
                     bool *transitioned, const libxl_asyncop_how *how)
{
    return libxl_domain_live_migrate_tuned(
        move->ends[0].ctx, fake_domain_id(move->migration->setup.source), fd,
        flags, back_fd, &move->params, &move->ends[0].result, transitioned,
        how);
}

static int receive_over(struct move *move, int fd, int back_fd, bool *resumed,
                        const libxl_asyncop_how *how)
{
    return libxl_domain_live_migrate_receive(
        move->ends[1].ctx, &move->config, &move->domid, fd, back_fd,
        &move->receive_params, &move->ends[1].result, resumed, how);
}

static int send_guest(struct move *move, const libxl_asyncop_how *how)
{
    int fd = fake_link_end(move->migration->outcome.link, 0);

    return send_over(move, fd, 0, fd, &move->migration->outcome.transitioned,
                     how);
}

static int receive_guest(struct move *move, const libxl_asyncop_how *how)
{
    int fd = fake_link_end(move->migration->outcome.link, 1);

    return receive_over(move, fd, fd, &move->migration->outcome.resumed, how);
}

/* What the checks of the guest layer's tests look at. */
static void note(struct move *move)
{
    struct fake_migration *migration = move->migration;
    const libxl_live_migrate_stats *stats = &move->ends[0].result.stats;
    int i;

    migration->outcome.save_rc = move->ends[0].rc ? -1 : 0;
    migration->outcome.restore_rc = move->ends[1].rc ? -1 : 0;
    migration->outcome.stats[0].requested_pages = stats->requested_pages;
    migration->outcome.stats[0].pushed_pages = stats->pushed_pages;
    migration->outcome.stats[0].postcopy_pages = stats->postcopy_pages;
    migration->outcome.stats[0].outstanding = stats->outstanding;
    for (i = 0; i < 2; i++) {
        snprintf(migration->outcome.contexts[i].reason, XLM_REASON_MAX, "%s",
                 move->ends[i].result.reason);
    }
}

static void *send_in_thread(void *data)
{
    struct move *move = data;

    move->ends[0].rc = send_guest(move, NULL);
    fake_link_hang_up(move->migration->outcome.link, 0);
    return NULL;
}

static void run_sync(struct move *move)
{
    pthread_t sender;

    prepare(move);
    if (pthread_create(&sender, NULL, send_in_thread, move)) {
        abort();
    }
    move->ends[1].rc = receive_guest(move, NULL);
    fake_link_hang_up(move->migration->outcome.link, 1);
    pthread_join(sender, NULL);
    libxl_domain_config_dispose(&move->config);
    note(move);
}

static void start_async(struct move *move)
{
    libxl_asyncop_how how;

    prepare(move);
    assert_int_equal(receive_guest(move, how_of(&move->ends[1], &how)), 0);
    assert_int_equal(send_guest(move, how_of(&move->ends[0], &how)), 0);
    memset(&how, 0xee, sizeof(how)); /* it was copied */
}

/* Each end closes its connection when its callback says that it has ended, as
 * daemons do. */
static void finish_async(struct move *move)
{
    await(&move->ends[0]);
    fake_link_hang_up(move->migration->outcome.link, 0);
    await(&move->ends[1]);
    fake_link_hang_up(move->migration->outcome.link, 1);
    libxl_domain_config_dispose(&move->config);
    note(move);
}

/* For check-stream. */
static void keep_streams(const struct move *move, unsigned int number)
{
    char name[32];

    snprintf(name, sizeof(name), "move%u.forth", number);
    fake_link_keep(move->migration->outcome.link, FAKE_FORTH, name);
    snprintf(name, sizeof(name), "move%u.back", number);
    fake_link_keep(move->migration->outcome.link, FAKE_BACK, name);
}

static void check_moved(struct move *move)
{
    static atomic_uint moves; /* of several threads */
    unsigned int number = atomic_fetch_add(&moves, 1);
    const libxl_live_migrate_stats *stats = &move->ends[0].result.stats;

    keep_streams(move, number);
    fake_migration_check_success(move->migration);
    assert_true(move->migration->outcome.transitioned);
    assert_int_equal(move->ends[0].result.phase,
                     LIBXL_LIVE_MIGRATE_PHASE_COMPLETE);
    assert_int_not_equal(stats->downtime_us, 0);
    assert_int_equal(stats->downtime_us,
                     stats->running_us - stats->suspend_us);
    assert_int_equal(move->domid,
                     fake_domain_id(move->migration->outcome.destination));
    assert_true(fake_libxl_has(move->ends[0].ctx, move->away));
    assert_false(fake_libxl_has(move->ends[0].ctx, move->name));
    assert_true(fake_libxl_has(move->ends[1].ctx, move->name));
}

/* The guest runs at the source under its name, and no host has anything else
 * of it. */
static void check_stayed(struct move *move)
{
    assert_false(move->migration->outcome.transitioned);
    assert_false(move->migration->outcome.resumed);
    assert_true(fake_libxl_has(move->ends[0].ctx, move->name));
    assert_int_equal(fake_libxl_domains(move->ends[0].ctx), 1);
    assert_int_equal(fake_libxl_domains(move->ends[1].ctx), 0);
    move->migration->outcome.put_away = false;
    fake_migration_check_promise(move->migration);
}

/* Do what the source does once the guest is elsewhere; then move the guest
 * back. */
static void turn_round(struct move *move)
{
    libxl_ctx *ctx = move->ends[0].ctx;

    assert_int_equal(
        libxl_domain_destroy(
            ctx, fake_domain_id(move->migration->setup.source), NULL),
        0);
    fake_migration_turn_round(move->migration);
    move->ends[0].ctx = move->ends[1].ctx;
    move->ends[1].ctx = ctx;
}

static void free_move_only(struct move *move)
{
    close(move->abort_fd);
    sem_destroy(&move->ends[0].done);
    sem_destroy(&move->ends[1].done);
    fake_migration_free(move->migration);
    free(move);
}

static void free_move(struct move *move)
{
    libxl_ctx *const ctxs[] = {move->ends[0].ctx, move->ends[1].ctx};

    free_move_only(move);
    fake_libxl_free(ctxs[0]);
    fake_libxl_free(ctxs[1]);
}

/* ---- what the process has ---- */

static unsigned int count_in(const char *path)
{
    DIR *directory = opendir(path);
    unsigned int count = 0;

    assert_non_null(directory);
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

static unsigned int descriptors(void)
{
    return count_in("/proc/self/fd");
}

/* A thread of the library ends shortly after its callback.  A thread that was
 * counted before may have been about to end. */
static void await_threads(unsigned int before)
{
    while (count_in("/proc/self/task") > before) {
        usleep(1000);
    }
}

/* ---- moves that work ---- */

static void synchronous(void **state)
{
    const unsigned int before = descriptors();
    struct move *move = new_move();

    (void)state;
    run_sync(move);
    check_moved(move);
    turn_round(move);
    run_sync(move);
    check_moved(move);
    free_move(move);
    assert_int_equal(descriptors(), before);
}

static bool all_blocked(const sigset_t *mask)
{
    return sigismember(mask, SIGTERM) && sigismember(mask, SIGCHLD) &&
           sigismember(mask, SIGPIPE) && sigismember(mask, SIGALRM);
}

static void asynchronous(void **state)
{
    const unsigned int before = descriptors();
    const unsigned int threads = count_in("/proc/self/task");
    struct move *move = new_move();
    int i;

    (void)state;
    start_async(move);
    finish_async(move);
    check_moved(move);
    for (i = 0; i < 2; i++) {
        assert_false(pthread_equal(move->ends[i].thread, pthread_self()));
        assert_true(all_blocked(&move->ends[i].mask));
        assert_true(move->ends[i].said);
    }
    free_move(move);
    assert_int_equal(descriptors(), before);
    await_threads(threads);
}

/* The peer does not answer, and the call returns all the same. */
static void returns_at_once(void **state)
{
    struct move *move = new_move();
    libxl_asyncop_how how;

    (void)state;
    prepare(move);
    assert_int_equal(send_guest(move, how_of(&move->ends[0], &how)), 0);
    assert_int_equal(atomic_load(&move->ends[0].callbacks), 0);
    assert_int_equal(receive_guest(move, how_of(&move->ends[1], &how)), 0);
    finish_async(move);
    check_moved(move);
    free_move(move);
}

/* The caller may change its params once the call has returned. */
static void params_are_copied(void **state)
{
    char away[] = "elsewhere", final[] = "newcomer";
    struct move *move = new_move();
    libxl_asyncop_how how;

    (void)state;
    prepare(move);
    move->params.away_name = away;
    move->receive_params.final_name = final;
    assert_int_equal(send_guest(move, how_of(&move->ends[0], &how)), 0);
    memset(&move->params, 0xee, sizeof(move->params));
    memset(away, 'x', sizeof(away) - 1);
    assert_int_equal(receive_guest(move, how_of(&move->ends[1], &how)), 0);
    memset(&move->receive_params, 0xee, sizeof(move->receive_params));
    memset(final, 'x', sizeof(final) - 1);
    finish_async(move);
    fake_migration_check_success(move->migration);
    assert_true(fake_libxl_has(move->ends[0].ctx, "elsewhere"));
    assert_true(fake_libxl_has(move->ends[1].ctx, "newcomer"));
    free_move(move);
}

static void see_mask(struct fake_migration *migration)
{
    struct move *move = migration->data;

    pthread_sigmask(SIG_SETMASK, NULL, &move->ends[1].mask);
}

/* Processes that libxl starts while it builds have the caller's signal mask.
 */
static void libxl_builds_with_the_callers_signals(void **state)
{
    struct move *move = new_move();
    sigset_t usr1, before;

    (void)state;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    move->migration->script.at_build = see_mask;
    run_sync(move);
    check_moved(move);
    assert_true(sigismember(&move->ends[1].mask, SIGUSR1));
    assert_false(sigismember(&move->ends[1].mask, SIGTERM));

    turn_round(move);
    sigemptyset(&move->ends[1].mask);
    move->migration->script.at_build = NULL;
    start_async(move);
    finish_async(move);
    check_moved(move);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free_move(move);
}

/* The plain function, to a file and by its flags. */
static void image(void **state)
{
    struct move *move = new_move();
    struct fake_migration *migration = move->migration;
    int fd = memfd_create("image", MFD_CLOEXEC);

    (void)state;
    prepare(move);
    /* The plain function makes a logger of its own, which must lead to the
     * source's host. */
    fake_libxl_free(fake_libxl_new(migration->setup.hosts[0]));
    assert_int_equal(
        libxl_domain_live_migrate(
            move->ends[0].ctx, fake_domain_id(migration->setup.source), fd,
            LIBXL_SUSPEND_LIVE, -1, &migration->outcome.transitioned, NULL),
        0);
    assert_false(migration->outcome.transitioned);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(
        receive_over(move, fd, -1, &migration->outcome.resumed, NULL), 0);
    close(fd);
    libxl_domain_config_dispose(&move->config);
    assert_true(fake_libxl_has(move->ends[0].ctx, move->name));
    assert_true(fake_libxl_has(move->ends[1].ctx, move->name));
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    free_move(move);
}

static void connect_by_tcp(int ends[2])
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (void *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (void *)&address, &length), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ends[0], (void *)&address, length), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ends[1] >= 0);
    close(listener);
}

static bool sends_at_once(int fd)
{
    socklen_t length = sizeof(int);
    int on = 0;

    return !getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &length) && on;
}

/* A request must not wait for the one before it to be acknowledged. */
static void over_tcp(void **state)
{
    struct move *move = new_move();
    struct fake_migration *migration = move->migration;
    libxl_asyncop_how how;
    int ends[2];

    (void)state;
    prepare(move);
    connect_by_tcp(ends);
    assert_int_equal(send_over(move, ends[0], 0, ends[0],
                               &migration->outcome.transitioned,
                               how_of(&move->ends[0], &how)),
                     0);
    assert_int_equal(receive_over(move, ends[1], ends[1],
                                  &migration->outcome.resumed,
                                  how_of(&move->ends[1], &how)),
                     0);
    await(&move->ends[0]);
    shutdown(ends[0], SHUT_WR);
    await(&move->ends[1]);
    libxl_domain_config_dispose(&move->config);
    note(move);
    check_moved(move);
    assert_true(sends_at_once(ends[0]));
    assert_true(sends_at_once(ends[1]));
    close(ends[0]);
    close(ends[1]);
    free_move(move);
}

/* ---- refused before anything happens ---- */

static void check_untouched(struct move *move, int end, const char *word)
{
    char octet;

    assert_non_null(strstr(move->ends[end].result.reason, word));
    assert_int_equal(move->ends[end].result.phase,
                     LIBXL_LIVE_MIGRATE_PHASE_START);
    assert_int_equal(fake_libxl_calls(move->ends[end].ctx), 0);
    assert_int_equal(recv(fake_link_end(move->migration->outcome.link, !end),
                          &octet, 1, MSG_DONTWAIT),
                     -1);
    assert_true(fake_domain_running(move->migration->setup.source));
}

static void refused(void **state)
{
    const libxl_asyncop_how event = {.callback = NULL};
    struct move *move = new_move();
    struct fake_migration *migration = move->migration;
    int fd;

    (void)state;
    prepare(move);
    fd = fake_link_end(migration->outcome.link, 0);

    assert_int_equal(send_guest(move, &event), ERROR_NI);
    assert_false(migration->outcome.transitioned);
    check_untouched(move, 0, "callback");
    assert_int_equal(receive_guest(move, &event), ERROR_NI);
    assert_false(migration->outcome.resumed);
    check_untouched(move, 1, "callback");

    assert_int_equal(send_over(move, fd, 0, fd, NULL, NULL), ERROR_INVAL);
    check_untouched(move, 0, "postcopy_transitioned");
    assert_int_equal(receive_over(move, fd, fd, NULL, NULL), ERROR_INVAL);
    check_untouched(move, 1, "postcopy_resumed");

    assert_int_equal(send_over(move, fd, LIBXL_SUSPEND_LIVE, fd,
                               &migration->outcome.transitioned, NULL),
                     ERROR_INVAL);
    check_untouched(move, 0, "flags");

    libxl_domain_config_dispose(&move->config);
    free_move(move);
}

/* ---- moves that fail ---- */

static void press_abort(struct fake_migration *migration)
{
    struct move *move = migration->data;

    eventfd_write(move->abort_fd, 1);
}

static void aborted(void **state)
{
    const unsigned int before = descriptors();
    struct move *move = new_move();

    (void)state;
    move->migration->script.at_suspend = press_abort;
    start_async(move);
    finish_async(move);
    assert_int_equal(move->ends[0].rc, ERROR_ABORTED);
    assert_false(move->ends[0].said);
    assert_false(move->ends[1].said);
    check_stayed(move);
    free_move(move);
    assert_int_equal(descriptors(), before);
}

static void aborted_before_anybody_answers(void **state)
{
    struct move *move = new_move();
    libxl_asyncop_how how;

    (void)state;
    prepare(move);
    assert_int_equal(send_guest(move, how_of(&move->ends[0], &how)), 0);
    press_abort(move->migration);
    await(&move->ends[0]);
    assert_int_equal(move->ends[0].rc, ERROR_ABORTED);
    assert_false(move->migration->outcome.transitioned);
    assert_true(fake_libxl_has(move->ends[0].ctx, NAME));
    assert_true(fake_domain_running(move->migration->setup.source));
    libxl_domain_config_dispose(&move->config);
    free_move(move);
}

/* Each failure of libxl itself, with synchronous and asynchronous calls. */
static void libxl_fails(void **state)
{
    static const struct {
        enum fake_libxl_call call;
        int end;
        int rc;
        int source_rc;
        const char *reason;
    } cases[] = {
        {FAKE_LIBXL_SUSPEND, 0, ERROR_GUEST_TIMEDOUT, ERROR_GUEST_TIMEDOUT,
         "did not answer"},
        {FAKE_LIBXL_SAVE_DEVICES, 0, ERROR_FAIL, ERROR_FAIL, "room in"},
        {FAKE_LIBXL_RENAME, 0, ERROR_FAIL, ERROR_FAIL, "renamed"},
        {FAKE_LIBXL_RESTORE, 1, ERROR_FAIL, ERROR_FAIL, "build"},
    };
    const unsigned int before = descriptors();
    size_t i;
    int async;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (async = 0; async < 2; async++) {
            struct move *move = new_move();

            fake_libxl_fail(move->ends[cases[i].end].ctx, cases[i].call,
                            cases[i].rc);
            if (async) {
                start_async(move);
                finish_async(move);
            } else {
                run_sync(move);
            }
            assert_int_equal(move->ends[0].rc, cases[i].source_rc);
            assert_int_not_equal(move->ends[1].rc, 0);
            assert_non_null(strstr(move->ends[cases[i].end].result.reason,
                                   cases[i].reason));
            assert_int_equal(
                fake_domain_suspend_cancelled(move->migration->setup.source),
                cases[i].call == FAKE_LIBXL_SAVE_DEVICES ||
                    cases[i].call == FAKE_LIBXL_RENAME);
            check_stayed(move);
            free_move(move);
        }
    }
    assert_int_equal(descriptors(), before);
}

/* The destination writes to a closed pipe, and has a domain to destroy: no
 * SIGPIPE may end the process. */
static void nobody_listens_to_the_destination(void **state)
{
    struct move *move = new_move();
    struct fake_migration *migration = move->migration;
    libxl_asyncop_how how;
    int ends[2];

    (void)state;
    prepare(move);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    assert_int_equal(send_guest(move, how_of(&move->ends[0], &how)), 0);
    move->ends[1].rc =
        receive_over(move, fake_link_end(migration->outcome.link, 1), ends[1],
                     &migration->outcome.resumed, NULL);
    close(ends[1]);
    fake_link_hang_up(migration->outcome.link, 1);
    await(&move->ends[0]);
    libxl_domain_config_dispose(&move->config);
    note(move);
    assert_int_equal(move->ends[1].rc, ERROR_FAIL);
    check_stayed(move);
    free_move(move);
}

static void cut_link(libxl_live_migrate_phase phase,
                     const libxl_live_migrate_stats *stats, void *user)
{
    struct move *move = user;

    (void)stats;
    if (phase == LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY) {
        shutdown(fake_link_end(move->migration->outcome.link, 0), SHUT_RDWR);
    }
}

static void stall_link(libxl_live_migrate_phase phase,
                       const libxl_live_migrate_stats *stats, void *user)
{
    struct move *move = user;

    /* The go, of which the source's callback has told, may still be under way.
 */
    if (phase == LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY && stats->running_us) {
        fake_link_stall(move->migration->outcome.link);
    }
}

/* The callback says which host has the guest; the receiving call stays until
 * the guest ends. */
static void lose_link(libxl_live_migrate_progress *lose, uint64_t timeout)
{
    struct fake_migration *migration = fake_migration_new(20 * PAGES, VCPUS);
    struct move *move =
        new_move_of(migration, fake_libxl_new(migration->setup.hosts[0]),
                    fake_libxl_new(migration->setup.hosts[1]), NAME);
    libxl_asyncop_how how;

    prepare(move);
    move->params.progress = lose;
    move->params.progress_user = move;
    move->params.link_timeout = timeout;
    move->receive_params.link_timeout = timeout;
    assert_int_equal(receive_guest(move, how_of(&move->ends[1], &how)), 0);
    assert_int_equal(send_guest(move, how_of(&move->ends[0], &how)), 0);
    await(&move->ends[0]);
    assert_int_equal(move->ends[0].rc, ERROR_FAIL);
    assert_true(move->ends[0].said);
    assert_true(fake_libxl_has(move->ends[0].ctx, AWAY));
    assert_false(fake_domain_running(migration->setup.source));
    assert_true(fake_domain_pager_enabled(migration->outcome.destination));
    assert_int_equal(atomic_load(&move->ends[1].callbacks), 0);

    fake_domain_stop(migration->outcome.destination);
    fake_guest_stop(migration->setup.guest);
    fake_domain_destroy(migration->outcome.destination);
    await(&move->ends[1]);
    libxl_domain_config_dispose(&move->config);
    assert_int_equal(move->ends[1].rc, 0);
    assert_true(move->ends[1].said);
    assert_int_equal(move->ends[1].result.phase,
                     LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
    free_move(move);
}

static void link_is_lost_after_the_go(void **state)
{
    (void)state;
    lose_link(cut_link, 0);
}

/* No callback is called; the receiving call notices by itself. */
static void link_stands_still_after_the_go(void **state)
{
    (void)state;
    lose_link(stall_link, 1);
}

/* ---- two at the same time ---- */

/* Synchronous calls, from two threads for each of the guests. */
/* ---- what was true at the beginning is not at the stop ---- */

static void attach_disk(struct fake_migration *migration)
{
    struct move *move = migration->data;

    fake_libxl_set_disks(move->ends[0].ctx, move->name, 2);
}

/* A disk of which the destination was not told would be missing there. */
static void a_disk_is_attached_meanwhile(void **state)
{
    struct move *move = new_move();

    (void)state;
    move->migration->script.at_suspend = attach_disk;
    run_sync(move);
    assert_true(move->migration->outcome.put_away == false);
    assert_int_equal(move->ends[0].rc, ERROR_FAIL);
    assert_non_null(
        strstr(move->ends[0].result.reason, "(disks: attached, detached"));
    check_stayed(move);
    free_move(move);
}

/* Change it before the call, but after the caller has read what it sends. */
static void a_disk_is_attached_before_the_call(void **state)
{
    struct move *move = new_move();
    char sent[] = "{\n    \"c_info\": {\n        \"name\": \"" NAME "\",\n"
                  "        \"domid\": 77\n    }\n}\n";

    (void)state;
    move->sent_config = sent;
    run_sync(move);
    check_moved(move);
    turn_round(move);
    fake_libxl_set_disks(move->ends[0].ctx, move->name, 1);
    run_sync(move);
    assert_int_equal(move->ends[0].rc, ERROR_FAIL);
    assert_non_null(strstr(move->ends[0].result.reason, "(disks: "));
    check_stayed(move);
    free_move(move);
}

static uint32_t intruder;

static void take_its_name(struct fake_migration *migration)
{
    struct move *move = migration->data;

    intruder = fake_libxl_start(move->ends[1].ctx, move->name);
}

/* Rename it at the destination, before PREPARED and before READY: otherwise
 * the guest would run there under another name. */
static void its_name_is_taken_meanwhile(void **state)
{
    struct move *move;
    int late;

    (void)state;
    for (late = 0; late < 2; late++) {
        move = new_move();
        if (late) {
            move->migration->script.at_suspend = take_its_name;
        } else {
            take_its_name(move->migration);
        }
        run_sync(move);
        assert_int_equal(move->ends[0].rc, ERROR_FAIL);
        assert_non_null(strstr(move->ends[0].result.reason,
                               "the destination refuses: there is another "
                               "domain called " NAME));
        assert_int_equal(
            libxl_domain_destroy(move->ends[1].ctx, intruder, NULL), 0);
        check_stayed(move);
        free_move(move);
    }
}

/* ---- several at once ---- */

static void *keep_moving(void *data)
{
    struct move *move = data;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        run_sync(move);
        check_moved(move);
        turn_round(move);
    }
    return NULL;
}

static void both_ways(struct move *moves[2])
{
    libxl_ctx *ctxs[2];

    moves[0] = new_move();
    ctxs[0] = moves[0]->ends[0].ctx;
    ctxs[1] = moves[0]->ends[1].ctx;
    moves[1] = new_move_of(fake_migration_against(moves[0]->migration),
                           ctxs[1], ctxs[0], "other");
}

static void two_at_once_from_threads(void **state)
{
    const unsigned int before = descriptors();
    struct move *moves[2];
    pthread_t thread;

    (void)state;
    both_ways(moves);
    if (pthread_create(&thread, NULL, keep_moving, moves[1])) {
        abort();
    }
    keep_moving(moves[0]);
    pthread_join(thread, NULL);
    free_move_only(moves[1]);
    free_move(moves[0]);
    assert_int_equal(descriptors(), before);
}

/* All four ends are under way at once, and only the daemon waits. */
static void two_at_once_by_callbacks(void **state)
{
    const unsigned int before = descriptors();
    const unsigned int threads = count_in("/proc/self/task");
    struct move *moves[2];
    int i;

    (void)state;
    both_ways(moves);
    for (i = 0; i < ROUNDS; i++) {
        start_async(moves[0]);
        start_async(moves[1]);
        finish_async(moves[0]);
        finish_async(moves[1]);
        check_moved(moves[0]);
        check_moved(moves[1]);
        turn_round(moves[0]);
        turn_round(moves[1]);
    }
    free_move_only(moves[1]);
    free_move(moves[0]);
    assert_int_equal(descriptors(), before);
    await_threads(threads);
}

/* The hypervisor has been changed at one end, and the packages have not. */
static void another_xen(void **state)
{
    const char *const wrong[] = {
        "this host runs Xen 4.20 (domctl interface 0x17, sysctl 0x15), and "
        "this "
        "program was built for Xen 4.14 (0x12, 0x13): install the one that "
        "was "
        "built for Xen 4.20, or boot Xen 4.14",
        "this host runs a Xen 4.99 whose interface is not known, and which "
        "refuses that of Xen 4.14 (domctl 0x12, sysctl 0x13), for which this "
        "program was built: known are Xen 4.14 to 4.22: boot Xen 4.14, or "
        "install a version of this program that knows the Xen here",
    };
    const struct xlm_xen_interface later[] = {{0x17, 0x15}, {0x99, 0x99}};
    const uint32_t minors[] = {20, 99};
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct move *move = new_move();
        char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

        fake_libxl_be_here(move->ends[i].ctx);
        assert_int_equal(libxl_live_migrate_check_host(NULL), 0);
        fake_host_release(move->migration->setup.hosts[i], minors[i],
                          later[i]);
        assert_int_equal(libxl_live_migrate_check_host(NULL), ERROR_FAIL);
        assert_int_equal(libxl_live_migrate_check_host(reason), ERROR_FAIL);
        assert_string_equal(reason, wrong[i]);
        run_sync(move);
        assert_int_equal(move->ends[i].rc, ERROR_FAIL);
        assert_string_equal(move->ends[i].result.reason, wrong[i]);
        assert_int_not_equal(move->ends[!i].rc, 0);
        fake_host_release(move->migration->setup.hosts[i], FAKE_XEN_MINOR,
                          FAKE_XEN_INTERFACE);
        check_stayed(move);
        free_move(move);
    }
}

static int empty_store(void **state)
{
    (void)state;
    fake_store_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synchronous),
        cmocka_unit_test(asynchronous),
        cmocka_unit_test(returns_at_once),
        cmocka_unit_test(params_are_copied),
        cmocka_unit_test(libxl_builds_with_the_callers_signals),
        cmocka_unit_test(image),
        cmocka_unit_test(over_tcp),
        cmocka_unit_test(refused),
        cmocka_unit_test(aborted),
        cmocka_unit_test(aborted_before_anybody_answers),
        cmocka_unit_test(libxl_fails),
        cmocka_unit_test(nobody_listens_to_the_destination),
        cmocka_unit_test(link_is_lost_after_the_go),
        cmocka_unit_test(link_stands_still_after_the_go),
        cmocka_unit_test(a_disk_is_attached_meanwhile),
        cmocka_unit_test(a_disk_is_attached_before_the_call),
        cmocka_unit_test(its_name_is_taken_meanwhile),
        cmocka_unit_test(another_xen),
        cmocka_unit_test(two_at_once_from_threads),
        cmocka_unit_test(two_at_once_by_callbacks),
    };

    return cmocka_run_group_tests(tests, NULL, empty_store);
}
