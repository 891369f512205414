/* SPDX-License-Identifier: LGPL-2.1-or-later
 * An example of a daemon that moves guests between hosts with
 * libxenlight-postcopy. Any number of guests may come and go at a time; one
 * thread waits for all of them.
 *
 *   migrationd PORT: listens for guests on a TCP port, reads orders on stdin:
 *
 *     send DOMAIN HOST [ROUNDS]   move it there; ROUNDS of precopy first
 *     abort DOMAIN                give that up, as long as it is safe
 *
 * The daemon reports on stdout what becomes of them. At the end of stdin it
 * gives up
 * all that can be given up, waits for the rest, and ends.
 *
 * A real daemon must do more: know its peers, and encrypt. A peer that reaches
 * the port can have any guest built here.
 *
 *   cc -o migrationd migrationd.c $(pkg-config --cflags --libs \
 *       xenlight-postcopy xentoollog)
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <libxl_live_migrate.h>
#include <xentoollog.h>

#define CONFIG_MAX (1u << 20)
#define PATIENCE_SECONDS 30
#define LINE_MAX_OCTETS 256

struct daemon {
    const char *port;
    xentoollog_logger *logger;
    libxl_ctx *ctx;
    int listen_fd;
    int done[2]; /* a pipe: jobs that have ended */
    struct job *jobs;
    bool ending;
};

/* A guest on its way.  All that the library is given pointers to is in here,
 * and stays until it has called back. */
struct job {
    struct job *next;
    struct daemon *daemon;
    bool sending; /* else receiving */
    char *name;
    uint32_t domid;
    int fd;                     /* both ways */
    int abort_fd;               /* an eventfd */
    libxl_domain_config config; /* of one that is received */
    libxl_live_migrate_phase phase;
    /* Written by the library. */
    libxl_live_migrate_result result;
    bool moved; /* postcopy_transitioned, or postcopy_resumed */
    int rc;
};

/* ---- jobs ---- */

static struct job *new_job(struct daemon *daemon, bool sending, int fd)
{
    struct job *job = calloc(1, sizeof(*job));

    if (!job) {
        abort();
    }
    job->daemon = daemon;
    job->sending = sending;
    job->fd = fd;
    job->abort_fd = eventfd(0, EFD_CLOEXEC);
    libxl_domain_config_init(&job->config);
    job->next = daemon->jobs;
    daemon->jobs = job;
    return job;
}

static void free_job(struct job *job)
{
    struct job **at = &job->daemon->jobs;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    libxl_domain_config_dispose(&job->config);
    close(job->abort_fd);
    if (job->fd >= 0) {
        close(job->fd);
    }
    free(job->name);
    free(job);
}

/* ---- called by the library, from a thread of its own ---- */

static void on_progress(libxl_live_migrate_phase phase,
                        const libxl_live_migrate_stats *stats, void *user)
{
    struct job *job = user;

    (void)stats;
    if (phase != job->phase) {
        job->phase = phase;
        printf("%s %s: %s\n", job->sending ? "sending" : "receiving",
               job->name, libxl_live_migrate_phase_to_string(phase));
    }
}

/* What there is to do is for the main thread. */
static void on_done(libxl_ctx *ctx, int rc, void *user)
{
    struct job *job = user;

    (void)ctx;
    job->rc = rc;
    while (write(job->daemon->done[1], &job, sizeof(job)) < 0 &&
           errno == EINTR) {
        continue;
    }
}

/* ---- how it ended ---- */

static void end_sending(struct job *job)
{
    if (!job->rc) {
        /* The destination has all of it: only now may this one go. */
        libxl_domain_destroy(job->daemon->ctx, job->domid, NULL);
        printf("sent %s\n", job->name);
    } else if (!job->moved) {
        /* The library has resumed it: there is nothing to do. */
        printf("failed %s: it stays here: %s\n", job->name,
               job->result.reason);
    } else {
        /* The guest may be running there. Resumed here it would run twice, and
         * write to the same disks.  Over another connection
         * libxl_domain_live_migrate_recover() goes on: this daemon leaves
         * that to xl migrate-recover and a person. */
        printf("lost %s: handed over, and kept here suspended: %s\n",
               job->name, job->result.reason);
    }
}

static void end_receiving(struct job *job)
{
    if (!job->rc && job->result.phase == LIBXL_LIVE_MIGRATE_PHASE_COMPLETE) {
        printf("received %s\n", job->name);
    } else if (!job->rc) {
        printf("received %s: it has ended meanwhile\n", job->name);
    } else if (!job->moved) {
        printf("failed %s: nothing of it is here: %s\n", job->name,
               job->result.reason);
    } else {
        /* The guest runs, and there is no other copy of it: whatever is
         * missing, it
         * must not be destroyed. */
        printf("lost %s: runs here with memory missing: %s\n", job->name,
               job->result.reason);
    }
}

static void end_job(struct daemon *daemon)
{
    struct job *job;

    if (read(daemon->done[0], &job, sizeof(job)) != sizeof(job)) {
        abort();
    }
    if (job->sending) {
        end_sending(job);
    } else {
        end_receiving(job);
    }
    free_job(job);
}

/* ---- the configuration, which goes before the library's stream ---- */

static bool read_all(int fd, void *octets, size_t length)
{
    return recv(fd, octets, length, MSG_WAITALL) == (ssize_t)length;
}

static bool write_all(int fd, const void *octets, size_t length)
{
    return send(fd, octets, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool send_config(struct job *job)
{
    libxl_ctx *ctx = job->daemon->ctx;
    libxl_domain_config config;
    char *json = NULL;
    uint32_t length;
    bool sent = false;

    libxl_domain_config_init(&config);
    if (!libxl_retrieve_domain_configuration(ctx, job->domid, &config, NULL)) {
        json = libxl_domain_config_to_json(ctx, &config);
    }
    if (json) {
        length = htonl(strlen(json));
        sent = write_all(job->fd, &length, sizeof(length)) &&
               write_all(job->fd, json, strlen(json));
    }
    free(json);
    libxl_domain_config_dispose(&config);
    return sent;
}

static bool receive_config(struct job *job)
{
    char *json = NULL;
    uint32_t length;
    bool received;

    if (!read_all(job->fd, &length, sizeof(length)) ||
        ntohl(length) > CONFIG_MAX) {
        return false;
    }
    length = ntohl(length);
    json = calloc(1, length + 1);
    received =
        json && read_all(job->fd, json, length) &&
        !libxl_domain_config_from_json(job->daemon->ctx, &job->config, json) &&
        job->config.c_info.name;
    free(json);
    return received;
}

/* The guest is built under another name than it has at the source, as both
 * may be
 * one host, and gets its own when it runs. */
static void take_name(struct job *job)
{
    libxl_domain_create_info *info = &job->config.c_info;

    job->name = info->name;
    if (asprintf(&info->name, "%s--incoming", job->name) < 0) {
        abort();
    }
    info->domid = INVALID_DOMID; /* any */
}

/* ---- starting ---- */

static libxl_asyncop_how call_back(struct job *job)
{
    return (libxl_asyncop_how){
        .callback = on_done,
        .u.for_callback = job,
    };
}

static void start_receiving(struct job *job)
{
    struct daemon *daemon = job->daemon;
    const libxl_asyncop_how how = call_back(job);
    libxl_live_migrate_receive_params params;

    libxl_live_migrate_receive_params_init(&params);
    params.final_name = job->name;
    params.abort_fd = job->abort_fd;
    params.logger = daemon->logger;
    params.progress = on_progress;
    params.progress_user = job;
    if (libxl_domain_live_migrate_receive(
            daemon->ctx, &job->config, &job->domid, job->fd, job->fd, &params,
            &job->result, &job->moved, &how)) {
        /* No callback comes. */
        printf("failed %s: %s\n", job->name, job->result.reason);
        free_job(job);
    }
    libxl_live_migrate_receive_params_dispose(&params);
}

static void start_sending(struct job *job, unsigned int rounds)
{
    struct daemon *daemon = job->daemon;
    const libxl_asyncop_how how = call_back(job);
    libxl_live_migrate_params params;

    libxl_live_migrate_params_init(&params);
    params.strategy = LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY;
    params.precopy_iterations = rounds;
    params.abort_fd = job->abort_fd;
    params.logger = daemon->logger;
    params.progress = on_progress;
    params.progress_user = job;
    if (libxl_domain_live_migrate_tuned(daemon->ctx, job->domid, job->fd, 0,
                                        job->fd, &params, &job->result,
                                        &job->moved, &how)) {
        printf("failed %s: %s\n", job->name, job->result.reason);
        free_job(job);
    }
    libxl_live_migrate_params_dispose(&params);
}

/* ---- connections ----
 *
 * All are close-on-exec: what libxl starts, QEMU for one, must not keep a
 * connection open that both daemons have closed.
 */

static int open_socket(const char *host, const char *port,
                       int (*use)(int, const struct sockaddr *, socklen_t))
{
    const struct addrinfo hints = {
        .ai_family = AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = host ? 0 : AI_PASSIVE,
    };
    struct addrinfo *found;
    int on = 1;
    int fd;

    if (getaddrinfo(host, port, &hints, &found)) {
        return -1;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (use(fd, found->ai_addr, found->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* Nobody may keep the main thread for long. */
static void limit_waiting(int fd)
{
    const struct timeval limit = {.tv_sec = PATIENCE_SECONDS};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void accept_guest(struct daemon *daemon)
{
    int fd = accept4(daemon->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct job *job;

    if (fd < 0) {
        return;
    }
    job = new_job(daemon, false, fd);
    limit_waiting(fd);
    if (!receive_config(job)) {
        printf("failed: a connection without a configuration\n");
        free_job(job);
        return;
    }
    take_name(job);
    start_receiving(job);
}

/* ---- orders ---- */

static void order_send(struct daemon *daemon, const char *name,
                       const char *host, unsigned int rounds)
{
    struct job *job;
    uint32_t domid;
    int fd;

    if (libxl_name_to_domid(daemon->ctx, name, &domid)) {
        printf("failed %s: there is no such domain\n", name);
        return;
    }
    fd = open_socket(host, daemon->port, connect);
    if (fd < 0) {
        printf("failed %s: %s cannot be reached\n", name, host);
        return;
    }
    job = new_job(daemon, true, fd);
    job->domid = domid;
    job->name = strdup(name);
    limit_waiting(fd);
    if (!send_config(job)) {
        printf("failed %s: its configuration could not be sent\n", name);
        free_job(job);
        return;
    }
    start_sending(job, rounds);
}

/* Of one name, or of all.  Whether it came in time the callback will tell. */
static void order_abort(struct daemon *daemon, const char *name)
{
    struct job *job;

    for (job = daemon->jobs; job; job = job->next) {
        if (!name || !strcmp(job->name, name)) {
            eventfd_write(job->abort_fd, 1);
        }
    }
}

static void obey(struct daemon *daemon, char *line)
{
    char name[LINE_MAX_OCTETS], host[LINE_MAX_OCTETS];
    unsigned int rounds = 0;

    if (sscanf(line, "send %255s %255s %u", name, host, &rounds) >= 2) {
        order_send(daemon, name, host, rounds);
    } else if (sscanf(line, "abort %255s", name) == 1) {
        order_abort(daemon, name);
    } else {
        printf("failed: there is no such order\n");
    }
}

static void take_order(struct daemon *daemon)
{
    char line[LINE_MAX_OCTETS];

    if (fgets(line, sizeof(line), stdin)) {
        obey(daemon, line);
    } else {
        daemon->ending = true;
        order_abort(daemon, NULL);
    }
}

/* ---- the daemon ---- */

static void run(struct daemon *daemon)
{
    struct pollfd polled[] = {
        {.fd = daemon->done[0], .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = daemon->listen_fd, .events = POLLIN},
    };

    /* The daemon must not end while a guest depends on it. */
    while (!daemon->ending || daemon->jobs) {
        if (poll(polled, daemon->ending ? 1 : 3, -1) < 0) {
            continue; /* EINTR */
        }
        if (polled[0].revents) {
            end_job(daemon);
        }
        if (!daemon->ending && polled[1].revents) {
            take_order(daemon);
        }
        if (!daemon->ending && polled[2].revents) {
            accept_guest(daemon);
        }
    }
}

static int bind_and_listen(int fd, const struct sockaddr *address,
                           socklen_t length)
{
    return bind(fd, address, length) || listen(fd, SOMAXCONN);
}

static bool start(struct daemon *daemon)
{
    /* One order a line, and no order waits unseen in a buffer. */
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    daemon->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_WARN, XTL_STDIOSTREAM_HIDE_PROGRESS);
    if (!daemon->logger ||
        libxl_ctx_alloc(&daemon->ctx, LIBXL_VERSION, 0, daemon->logger)) {
        fprintf(stderr, "migrationd: no libxl: is this a dom0?\n");
        return false;
    }
    daemon->listen_fd = open_socket(NULL, daemon->port, bind_and_listen);
    if (daemon->listen_fd < 0 || pipe2(daemon->done, O_CLOEXEC)) {
        perror("migrationd: cannot listen");
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct daemon daemon = {.listen_fd = -1};

    if (argc != 2) {
        fprintf(stderr, "usage: migrationd PORT\n");
        return EXIT_FAILURE;
    }
    daemon.port = argv[1];
    if (!start(&daemon)) {
        return EXIT_FAILURE;
    }
    printf("ready\n");
    run(&daemon);
    close(daemon.listen_fd);
    close(daemon.done[0]);
    close(daemon.done[1]);
    libxl_ctx_free(daemon.ctx);
    xtl_logger_destroy(daemon.logger);
    return EXIT_SUCCESS;
}
