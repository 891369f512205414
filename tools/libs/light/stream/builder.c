/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The stock libxl builds the domain, in a thread of its own, from a pipe.
 *
 * The pipe has room for one page, in one slot, so it polls writable exactly
 * when the reader has taken all that was written.  So this end knows when the
 * domain exists: libxl makes it, with its limits, before it reads the first
 * byte.
 */
#include "stream/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "keeping/withheld.h"
#include "stream/stream.h"

#define LM_STREAM_VERSION_FOR_LIBXL 2

void lm_builder_init(struct lm_builder *builder, libxl_ctx *ctx,
                     libxl_domain_config *config, struct xlm_context *xlm,
                     const sigset_t *signal_mask)
{
    *builder = (struct lm_builder){
        .ctx = ctx,
        .config = config,
        .xlm = xlm,
        .state = LM_BUILDER_IDLE,
        .feed_fd = -1,
        .take_fd = -1,
        .done_fd = -1,
        .signal_mask = *signal_mask,
        .domid = INVALID_DOMID,
        .held = INVALID_DOMID,
    };
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/*
 * The ctx is the caller's; two threads use it, as libxl allows.  So the
 * children that libxl starts are reaped in the way that the caller has set up.
 */
static void *build(void *data)
{
    struct lm_builder *builder = data;
    libxl_domain_restore_params params;

    pthread_sigmask(SIG_SETMASK, &builder->signal_mask, NULL);
    libxl_domain_restore_params_init(&params);
    params.stream_version = LM_STREAM_VERSION_FOR_LIBXL;
    builder->rc = libxl_domain_create_restore(
        builder->ctx, builder->config, &builder->domid, builder->take_fd, -1,
        &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    /* Wakes the feeding thread if this comes before the end of the stream. */
    close_fd(&builder->take_fd);
    eventfd_write(builder->done_fd, 1);
    return NULL;
}

static int open_pipe(struct lm_builder *builder)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC)) {
        return xlm_fail(builder->xlm, "cannot make a pipe: %s",
                        strerror(errno));
    }
    builder->take_fd = ends[0];
    builder->feed_fd = ends[1];
    builder->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (builder->done_fd < 0) {
        return xlm_fail(builder->xlm, "cannot wait for libxl: %s",
                        strerror(errno));
    }
    if (fcntl(builder->feed_fd, F_SETPIPE_SZ, sysconf(_SC_PAGESIZE)) < 0 ||
        fcntl(builder->feed_fd, F_SETFL, O_NONBLOCK) < 0) {
        return xlm_fail(builder->xlm, "cannot set up a pipe: %s",
                        strerror(errno));
    }
    return 0;
}

int lm_builder_start(struct lm_builder *builder)
{
    uint8_t prologue[LM_PROLOGUE_SIZE];
    int error;

    if (open_pipe(builder)) {
        return -1;
    }
    error = pthread_create(&builder->thread, NULL, build, builder);
    if (error) {
        return xlm_fail(builder->xlm, "cannot start a thread: %s",
                        strerror(error));
    }
    builder->state = LM_BUILDER_RUNNING;
    lm_make_prologue(prologue);
    return lm_builder_feed(builder, prologue, sizeof(prologue));
}

static void join(struct lm_builder *builder)
{
    pthread_join(builder->thread, NULL);
    close_fd(&builder->done_fd);
    builder->state = builder->rc ? LM_BUILDER_FAILED : LM_BUILDER_BUILT;
}

/* The thread has ended too early: nothing reads the pipe any more. */
static int fail_early(struct lm_builder *builder)
{
    join(builder);
    return xlm_fail(builder->xlm,
                    "libxl could not build the domain (error %d): its "
                    "messages at the destination say why",
                    builder->rc);
}

/* Wait until the pipe is empty. */
static int await_taken(struct lm_builder *builder)
{
    struct pollfd pollers[2] = {
        {.fd = builder->feed_fd, .events = POLLOUT},
        {.fd = builder->xlm->abort_fd, .events = POLLIN},
    };

    while (poll(pollers, 2, -1) < 0) {
        if (errno != EINTR) {
            return xlm_fail(builder->xlm, "cannot wait: %s", strerror(errno));
        }
    }
    if (pollers[1].revents) {
        errno = ECANCELED;
        return xlm_fail(builder->xlm, "aborted");
    }
    if (pollers[0].revents & POLLERR) {
        return fail_early(builder);
    }
    return 0;
}

static void release(struct lm_builder *builder)
{
    if (builder->holds) {
        (void)lm_give_back(builder->held, builder->xlm->logger);
    }
    builder->holds = false;
}

int lm_builder_feed(struct lm_builder *builder, const void *bytes,
                    size_t length)
{
    const uint8_t *next = bytes;
    ssize_t written;

    if (builder->state != LM_BUILDER_RUNNING) {
        return xlm_fail(builder->xlm, "libxl is not building a domain");
    }
    release(builder);
    while (length) {
        written = write(builder->feed_fd, next, length);
        if (written >= 0) {
            next += written;
            length -= written;
        } else if (errno == EPIPE) {
            return fail_early(builder);
        } else if (errno == EAGAIN) {
            if (await_taken(builder)) {
                return -1;
            }
        } else if (errno != EINTR) {
            return xlm_fail(builder->xlm, "cannot feed libxl: %s",
                            strerror(errno));
        }
    }
    return 0;
}

int lm_builder_await_fed(struct lm_builder *builder)
{
    return await_taken(builder);
}

void lm_builder_hold(struct lm_builder *builder, uint32_t domid)
{
    builder->held = domid;
    builder->holds = true;
    lm_withhold(domid, builder->xlm->logger);
}

int lm_builder_await_domain(struct lm_builder *builder, uint32_t *domid)
{
    const char *name = builder->config->c_info.name;
    int rc;

    if (await_taken(builder)) {
        return -1;
    }
    /* By name and not by uuid: in a move within one host the source has the
     * same uuid. */
    rc = libxl_name_to_domid(builder->ctx, name, domid);
    if (rc) {
        return xlm_fail(builder->xlm,
                        "libxl builds %s, but there is no such domain "
                        "(error %d)",
                        name, rc);
    }
    return 0;
}

static int end_stream(struct lm_builder *builder)
{
    const uint8_t end_record[8] = {0};

    if (lm_builder_feed(builder, end_record, sizeof(end_record))) {
        return -1;
    }
    close_fd(&builder->feed_fd);
    return 0;
}

static int take_outcome(struct lm_builder *builder)
{
    join(builder);
    if (builder->state == LM_BUILDER_FAILED) {
        return xlm_fail(builder->xlm,
                        "libxl could not build the domain (error %d): its "
                        "messages at the destination say why",
                        builder->rc);
    }
    return 0;
}

int lm_builder_finish(struct lm_builder *builder)
{
    return end_stream(builder) ? -1 : take_outcome(builder);
}

int lm_builder_poll(struct lm_builder *builder, int timeout_ms)
{
    struct pollfd pollers[2] = {
        {.fd = builder->done_fd, .events = POLLIN},
        {.fd = builder->xlm->abort_fd, .events = POLLIN},
    };

    if (builder->feed_fd >= 0 && end_stream(builder)) {
        return -1;
    }
    if (poll(pollers, 2, timeout_ms) < 0 && errno != EINTR) {
        return xlm_fail(builder->xlm, "cannot wait: %s", strerror(errno));
    }
    if (pollers[1].revents) {
        errno = ECANCELED;
        return xlm_fail(builder->xlm, "aborted");
    }
    if (!pollers[0].revents) {
        return 0;
    }
    return take_outcome(builder) ? -1 : 1;
}

/* With the caller's signal mask, which the scripts that libxl runs get, too: a
 * shell that waits for its children must not have all signals blocked.  But
 * SIGPIPE stays blocked, because one that is pending may be this library's. */
static int destroy_domain(struct lm_builder *builder, uint32_t domid)
{
    sigset_t mask = builder->signal_mask;
    sigset_t ours;
    int rc;

    sigaddset(&mask, SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &mask, &ours);
    (void)lm_give_back(domid, builder->xlm->logger);
    rc = libxl_domain_destroy(builder->ctx, domid, NULL);
    pthread_sigmask(SIG_SETMASK, &ours, NULL);
    return rc;
}

/* Did libxl give up while its domain was withheld, and could not remove it? */
static bool is_left(const struct lm_builder *builder)
{
    libxl_dominfo info;
    bool is;

    if (builder->held == (uint32_t)INVALID_DOMID ||
        builder->state != LM_BUILDER_FAILED) {
        return false;
    }
    libxl_dominfo_init(&info);
    is = !libxl_domain_info(builder->ctx, &info, builder->held) && !info.dying;
    libxl_dominfo_dispose(&info);
    return is;
}

int lm_builder_abandon(struct lm_builder *builder)
{
    int rc = 0;

    release(builder);
    close_fd(&builder->feed_fd);
    if (builder->state == LM_BUILDER_IDLE) {
        close_fd(&builder->take_fd);
        close_fd(&builder->done_fd);
    }
    if (builder->state == LM_BUILDER_RUNNING) {
        join(builder); /* the thread met the end of its stream too soon */
    }
    if (builder->state == LM_BUILDER_BUILT) {
        rc = destroy_domain(builder, builder->domid);
        builder->state = LM_BUILDER_FAILED;
    } else if (is_left(builder)) {
        rc = destroy_domain(builder, builder->held);
    }
    return rc;
}
