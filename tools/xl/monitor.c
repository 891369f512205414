/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The daemon that waits for the end of a domain.
 *
 *   loop:
 *     await_end        events, until the domain has shut down or is gone
 *     await_resumed    when it was only suspended, as for a migration
 *     choose_action    by the reason and the configuration
 *     carry_out        core dump, destroy, rename away
 *     start_again      a new domain of the same configuration
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libxl_event.h>
#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "standby.h"
#include "start_again.h"
#include "watcher.h"
#include "xen_directories.h"

#define XL_DUMP_DIR XEN_LIB_DIR "/dump"
/* Time for the old domain's back ends to release its devices. */
#define XL_RESTART_PAUSE_SECONDS 2
#define XL_SUFFIX_SIZE 24
/* How often to look at a suspended domain, or at one whose memory has not
 * come. */
#define XL_LOOK_SECONDS 1
/* Time for a stock daemon to notice that its domain was suspended, and to
 * end. */
#define XL_STOCK_END_SECONDS 30
/* How long a dump waits for a lost source. */
#define XL_DUMP_PATIENCE_SECONDS 120

enum xl_end {
    XL_END_SHUTDOWN, /* it still exists, with a reason */
    XL_END_GONE,     /* a program destroyed it */
    XL_END_UNKNOWN,  /* no more events: libxl has reported why */
};

enum xl_next {
    XL_NEXT_STOP,
    XL_NEXT_START,      /* a new domain */
    XL_NEXT_SOFT_RESET, /* the same domain, from its beginning */
};

struct xl_monitor {
    struct xl_context *xl;
    uint32_t domid;
    libxl_domain_config *config;
    libxl_shutdown_reason reason;
    int memory_fd; /* closed when all memory is here; -1: it is */
    int claim_fd;  /* no other daemon of this project watches over domid */
};

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
    time_t now = time(NULL);
    char stamp[32] = "";
    struct tm tm;
    va_list args;

    if (gmtime_r(&now, &tm)) {
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    fprintf(stderr, "%s ", stamp);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

/* ---- await_end ---- */

static enum xl_end await_event(struct xl_monitor *monitor)
{
    enum xl_end end = XL_END_UNKNOWN;
    bool decided = false;
    libxl_event *event;
    int rc;

    while (!decided) {
        rc = libxl_event_wait(monitor->xl->ctx, &event, LIBXL_EVENTMASK_ALL,
                              NULL, NULL);
        if (rc) {
            say("no more events (libxl error %d)", rc);
            return XL_END_UNKNOWN;
        }
        if (event->domid == monitor->domid &&
            event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN) {
            monitor->reason = event->u.domain_shutdown.shutdown_reason;
            end = XL_END_SHUTDOWN;
            decided = true;
        } else if (event->domid == monitor->domid &&
                   event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH) {
            end = XL_END_GONE;
            decided = true;
        }
        libxl_event_free(monitor->xl->ctx, event);
    }
    return end;
}

static void discard_events(struct xl_monitor *monitor)
{
    libxl_event *event;

    while (!libxl_event_check(monitor->xl->ctx, &event, LIBXL_EVENTMASK_ALL,
                              NULL, NULL)) {
        libxl_event_free(monitor->xl->ctx, event);
    }
}

/* The stock xl also watches for the ejection of a removable disk; here the
 * disk stays in the configuration until that is read again. */
static enum xl_end await_end(struct xl_monitor *monitor)
{
    libxl_evgen_domain_death *watch;
    enum xl_end end;
    int rc;

    rc = libxl_evenable_domain_death(monitor->xl->ctx, monitor->domid, 0,
                                     &watch);
    if (rc) {
        say("domain %u cannot be watched (libxl error %d)", monitor->domid,
            rc);
        return XL_END_UNKNOWN;
    }
    end = await_event(monitor);
    libxl_evdisable_domain_death(monitor->xl->ctx, watch);
    discard_events(monitor);
    return end;
}

/* ---- await_resumed ---- */

/* The domain is being saved or migrated, and may come back: after a failed
 * migration, a snapshot, a guest that was taken back.  Then watch over it
 * again. */
static enum xl_end await_resumed(struct xl_monitor *monitor)
{
    enum xl_end end = XL_END_SHUTDOWN;
    libxl_dominfo info;

    say("domain %u is suspended: waiting for what becomes of it",
        monitor->domid);
    do {
        sleep(XL_LOOK_SECONDS);
        libxl_dominfo_init(&info);
        if (libxl_domain_info(monitor->xl->ctx, &info, monitor->domid) ||
            info.dying) {
            end = XL_END_GONE;
        } else if (!info.shutdown ||
                   info.shutdown_reason != LIBXL_SHUTDOWN_REASON_SUSPEND) {
            end = XL_END_UNKNOWN; /* to find out again */
        }
        libxl_dominfo_dispose(&info);
    } while (end == XL_END_SHUTDOWN);
    return end;
}

/* ---- choose_action ---- */

static libxl_action_on_shutdown choose_action(const struct xl_monitor *monitor)
{
    const libxl_domain_config *config = monitor->config;

    switch (monitor->reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return config->on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return config->on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH:
        return config->on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return config->on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return config->on_soft_reset;
    default:
        return LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    }
}

/* ---- carry_out ---- */

/* Do the domain's nodes say that its migration is under way, with a source? */
static bool is_coming(const struct xl_monitor *monitor, bool *source_lost)
{
    libxl_live_migrate_status *list;
    bool coming = false;
    int count;

    *source_lost = false;
    if (libxl_live_migrate_list(&list, &count)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (list[i].domid == monitor->domid &&
            list[i].role == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION &&
            list[i].state != LIBXL_LIVE_MIGRATE_STATE_COMPLETE) {
            coming = true;
            *source_lost = list[i].state != LIBXL_LIVE_MIGRATE_STATE_RUNNING;
        }
    }
    libxl_live_migrate_status_list_free(list, count);
    return coming;
}

/* The receiver has done with the domain, or has died, when its end of the pipe
 * is closed. */
static bool has_receiver(const struct xl_monitor *monitor)
{
    struct pollfd poller = {.fd = monitor->memory_fd};

    return monitor->memory_fd >= 0 && poll(&poller, 1, 0) == 0;
}

/* A program that maps a page which has not come waits for it.  So a dump must
 * wait for all of them; but not for ever if the source is lost, because the
 * guest should be started again.  False: the pages will not come. */
static bool await_memory(struct xl_monitor *monitor)
{
    unsigned int lost_seconds = 0;
    bool source_lost;

    while (is_coming(monitor, &source_lost) || has_receiver(monitor)) {
        lost_seconds = source_lost ? lost_seconds + XL_LOOK_SECONDS : 0;
        if (lost_seconds > XL_DUMP_PATIENCE_SECONDS) {
            return false;
        }
        sleep(XL_LOOK_SECONDS);
    }
    return true;
}

static void dump_core(struct xl_monitor *monitor)
{
    char *path = NULL;
    int rc;

    if (!await_memory(monitor)) {
        say("no core dump: memory of domain %u has not come, and its source "
            "is "
            "lost",
            monitor->domid);
        return;
    }
    if (asprintf(&path, XL_DUMP_DIR "/%s", monitor->config->c_info.name) < 0) {
        return;
    }
    rc = libxl_domain_core_dump(monitor->xl->ctx, monitor->domid, path, NULL);
    say("core dump to %s: %s", path, rc ? "failed" : "done");
    free(path);
}

/* If the receiver was killed, a source that still keeps memory can then be
 * told that the guest has ended. */
static void destroy(struct xl_monitor *monitor)
{
    int rc;

    (void)libxl_domain_live_migrate_receive_end(monitor->xl->ctx,
                                                monitor->domid);
    rc = libxl_domain_destroy(monitor->xl->ctx, monitor->domid, NULL);
    say("domain %u destroyed%s", monitor->domid,
        rc ? ", or not: libxl failed" : "");
}

/* Devices may have come and gone since the domain was started. */
static void refresh_config(struct xl_monitor *monitor)
{
    libxl_domain_config fresh;
    int rc;

    libxl_domain_config_init(&fresh);
    rc = libxl_live_migrate_retrieve_config(monitor->xl->ctx, monitor->domid,
                                            &fresh);
    if (rc) {
        say("the configuration cannot be read (libxl error %d): the old one "
            "serves",
            rc);
        libxl_domain_config_dispose(&fresh);
        return;
    }
    libxl_domain_config_dispose(monitor->config);
    *monitor->config = fresh;
}

/* Keep the dead domain under another name, so that its own becomes free. */
static int rename_away(struct xl_monitor *monitor)
{
    char suffix[XL_SUFFIX_SIZE] = "";
    time_t now = time(NULL);
    libxl_uuid uuid;
    struct tm tm;
    int rc;

    if (gmtime_r(&now, &tm)) {
        strftime(suffix, sizeof(suffix), "-%Y%m%dT%H%MZ", &tm);
    }
    libxl_uuid_generate(&uuid);
    rc = libxl_domain_preserve(monitor->xl->ctx, monitor->domid,
                               &monitor->config->c_info, suffix, uuid);
    say("domain %u kept with suffix %s%s", monitor->domid, suffix,
        rc ? ", or not: libxl failed" : "");
    return rc;
}

static enum xl_next carry_out(struct xl_monitor *monitor,
                              libxl_action_on_shutdown action)
{
    say("domain %u has shut down (%s): %s", monitor->domid,
        libxl_shutdown_reason_to_string(monitor->reason),
        libxl_action_on_shutdown_to_string(action));
    switch (action) {
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        dump_core(monitor);
        destroy(monitor);
        return XL_NEXT_STOP;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART:
        dump_core(monitor);
        refresh_config(monitor);
        destroy(monitor);
        return XL_NEXT_START;
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        refresh_config(monitor);
        destroy(monitor);
        return XL_NEXT_START;
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        refresh_config(monitor);
        return rename_away(monitor) ? XL_NEXT_STOP : XL_NEXT_START;
    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        refresh_config(monitor);
        return XL_NEXT_SOFT_RESET;
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return XL_NEXT_STOP;
    case LIBXL_ACTION_ON_SHUTDOWN_DESTROY:
        break;
    }
    destroy(monitor);
    return XL_NEXT_STOP;
}

/* ---- start_again ---- */

static int start_again(struct xl_monitor *monitor, enum xl_next next)
{
    libxl_ctx *ctx = monitor->xl->ctx;
    int rc;

    if (next == XL_NEXT_SOFT_RESET) {
        rc = libxl_domain_soft_reset(ctx, monitor->config, monitor->domid,
                                     NULL, NULL);
    } else {
        sleep(XL_RESTART_PAUSE_SECONDS);
        rc = xl_start_again(monitor->xl, monitor->config, &monitor->domid);
    }
    if (!rc) {
        rc = libxl_domain_unpause(ctx, monitor->domid, NULL);
    }
    say("start of %s: %s, domain %u", monitor->config->c_info.name,
        rc ? "failed" : "done", monitor->domid);
    return rc;
}

/* In the words of the stock xl: see watcher.h. */
static int begin_watching(struct xl_monitor *monitor)
{
    /* The claim on the domain before, or on the same one before a soft
     * reset. */
    if (monitor->claim_fd >= 0) {
        close(monitor->claim_fd);
    }
    monitor->claim_fd = xl_watcher_claim(monitor->domid);
    if (monitor->claim_fd < 0) {
        say("another process watches over domain %u already", monitor->domid);
        return -1;
    }
    say(XL_WATCHER_FORMAT, monitor->config->c_info.name, monitor->domid,
        (long)getpid());
    return 0;
}

static int run(struct xl_monitor monitor)
{
    enum xl_next next;

    if (begin_watching(&monitor)) {
        return EXIT_FAILURE;
    }
    for (;;) {
        switch (await_end(&monitor)) {
        case XL_END_GONE:
            say("domain %u is gone", monitor.domid);
            return EXIT_SUCCESS;
        case XL_END_UNKNOWN:
            return EXIT_FAILURE;
        case XL_END_SHUTDOWN:
            break;
        }
        if (monitor.reason == LIBXL_SHUTDOWN_REASON_SUSPEND) {
            if (await_resumed(&monitor) == XL_END_GONE) {
                say("domain %u is gone", monitor.domid);
                return EXIT_SUCCESS;
            }
            continue;
        }
        next = carry_out(&monitor, choose_action(&monitor));
        if (next == XL_NEXT_STOP) {
            return EXIT_SUCCESS;
        }
        if (start_again(&monitor, next) || begin_watching(&monitor)) {
            return EXIT_FAILURE;
        }
    }
}

int xl_monitor_run(struct xl_context *xl, uint32_t domid,
                   libxl_domain_config *config)
{
    return run((struct xl_monitor){
        .xl = xl,
        .domid = domid,
        .config = config,
        .memory_fd = -1,
        .claim_fd = -1,
    });
}

/* ---- the daemon ---- */

static int await_word(struct xl_monitor_word *word)
{
    ssize_t got;

    do {
        got = read(STDIN_FILENO, word, sizeof(*word));
    } while (got < 0 && errno == EINTR);
    return got == sizeof(*word) ? 0 : -1;
}

/* Close the output, so that a program which waits for its end does not wait
 * for this process. */
static void leave_output(void)
{
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null_fd >= 0) {
        dup2(null_fd, STDOUT_FILENO);
        dup2(null_fd, STDERR_FILENO);
        close(null_fd);
    }
}

/* Once a domain was suspended, the stock xl's daemon of Xen up to 4.19 ends
 * as soon as it notices; that of a later one, and ours, stay.  False: it
 * stays. */
static bool is_left_alone(pid_t pid)
{
    leave_output();
    return xl_watcher_await_end(pid, XL_STOCK_END_SECONDS);
}

static int open_log(struct xl_context *xl, const char *domain)
{
    char *name = NULL, *path = NULL;
    int fd = -1;

    if (asprintf(&name, "xl-%s", domain) < 0) {
        return -1;
    }
    if (!libxl_create_logfile(xl->ctx, name, &path)) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    if (fd < 0) {
        fprintf(stderr, "xl: cannot open the log %s: %s\n", path ? path : name,
                strerror(errno));
    }
    free(path);
    free(name);
    return fd;
}

/* Nothing may tie this process to the connection, or the ssh at the other end
 * would wait for it.  The pipe to the receiver stays. */
static int detach(struct xl_context *xl, const char *domain)
{
    int log_fd = open_log(xl, domain);

    if (log_fd < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0) {
        return -1;
    }
    close(log_fd);
    return chdir("/");
}

static int watch(struct xl_context *xl, uint32_t domid)
{
    libxl_domain_config config;
    int ret = EXIT_FAILURE;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_live_migrate_retrieve_config(xl->ctx, domid, &config);
    if (rc) {
        fprintf(stderr,
                "xl: no daemon watches over domain %u: it has no "
                "configuration (libxl error %d)\n",
                domid, rc);
        goto out;
    }
    if (detach(xl, config.c_info.name)) {
        goto out;
    }
    ret = run((struct xl_monitor){
        .xl = xl,
        .domid = domid,
        .config = &config,
        .memory_fd = STDIN_FILENO,
        .claim_fd = -1,
    });

out:
    libxl_domain_config_dispose(&config);
    return ret;
}

int xl_main_monitor(struct xl_context *xl, int argc, char **argv)
{
    struct xl_monitor_word word;

    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN); /* the ssh that carries stderr may be gone */
    if (await_word(&word)) {
        return EXIT_SUCCESS; /* there is no domain to watch over */
    }
    if (word.after && !is_left_alone(word.after)) {
        return EXIT_SUCCESS;
    }
    return xl_context_open(xl) ? EXIT_FAILURE : watch(xl, word.domid);
}
