/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The connections between the two processes that measure the engine.
 */
#include "connections.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "die.h"

/* Loopback has no network that needs fairness, and loses nothing. Pacing
 * (BBR's) would measure its own reaction to either end's pauses. Every kernel
 * has this algorithm. */
static void do_not_pace(int fd)
{
    static const char reno[] = "reno";

    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, strlen(reno))) {
        die("loopback TCP: %s", strerror(errno));
    }
}

static int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    do_not_pace(listener); /* and what it accepts */
    if (bind(listener, (struct sockaddr *)address, length) ||
        listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)address, &length)) {
        die("loopback TCP: %s", strerror(errno));
    }
    return listener;
}

/* By a process: its end is a socket, as the transport's of xl. */
static int start_process(const char *command,
                         const struct sockaddr_in *address, pid_t *process)
{
    char port[16];
    int pair[2];

    snprintf(port, sizeof(port), "%d", ntohs(address->sin_port));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
        setenv("PORT", port, 1) || (*process = fork()) < 0) {
        die("%s: %s", command, strerror(errno));
    }
    if (!*process) {
        dup2(pair[1], STDIN_FILENO);
        dup2(pair[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    return pair[0];
}

static int start_tcp(const struct connections *connections,
                     const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned int rate = connections->most_rate;

    do_not_pace(fd);
    if ((rate && setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate,
                            sizeof(rate))) ||
        connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
        die("loopback TCP: %s", strerror(errno));
    }
    return fd;
}

static void send_at_once(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void connections_make(struct connections *connections)
{
    struct sockaddr_in address;
    int listener = listen_on_loopback(&address);

    for (uint32_t i = 0; i < connections->count; i++) {
        int *ends = connections->ends[i];

        ends[0] = connections->over
                      ? start_process(connections->over, &address,
                                      &connections->processes[i])
                      : start_tcp(connections, &address);
        ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (ends[1] < 0) {
            die("loopback TCP: %s", strerror(errno));
        }
        send_at_once(ends[0]);
        send_at_once(ends[1]);
    }
    close(listener);
}

void connections_keep(struct connections *connections, int end)
{
    for (uint32_t i = 0; i < connections->count; i++) {
        close(connections->ends[i][!end]);
    }
}

/* ---- the source ---- */

int connections_use_stream(uint32_t index, int cancel_fd, int *in_fd,
                           int *out_fd, void *data)
{
    const struct connections *connections = data;

    (void)cancel_fd;
    *in_fd = *out_fd = connections->ends[index][0];
    return 0;
}

void connections_end(struct connections *connections)
{
    for (uint32_t i = 0; i < connections->count; i++) {
        close(connections->ends[i][0]);
    }
    for (uint32_t i = 0; connections->over && i < connections->count; i++) {
        waitpid(connections->processes[i], NULL, 0);
    }
}

/* ---- the destination ---- */

static void *join_all(void *data)
{
    struct connections *connections = data;
    struct xlm_identity identity;
    struct xlm_errand errand;

    for (uint32_t i = 1; i < connections->count; i++) {
        int fd = connections->ends[i][1];

        if (xlm_read_recover(connections->ctx, fd, &identity, &errand) ||
            errand.stream != i) {
            die("stream %u: %s", i, connections->ctx->reason);
        }
        pthread_mutex_lock(&connections->lock);
        connections->joined = i + 1;
        pthread_mutex_unlock(&connections->lock);
        (void)xlm_answer_channel(connections->ctx, fd, NULL);
    }
    return NULL;
}

static int take_stream(uint32_t index, int *in_fd, int *out_fd, void *data)
{
    struct connections *connections = data;
    bool joined;

    pthread_mutex_lock(&connections->lock);
    joined = index < connections->joined;
    pthread_mutex_unlock(&connections->lock);
    *in_fd = *out_fd = connections->ends[index][1];
    return joined ? 0 : 1;
}

static void drop_streams(void *data)
{
    (void)data;
}

/* Nothing is recovered here. */
static int await_none(int *in_fd, int *out_fd, void *data)
{
    (void)in_fd, (void)out_fd, (void)data;
    return -1;
}

static void resumed(void *data)
{
    (void)data;
}

const struct xlm_relink *connections_join(struct connections *connections,
                                          struct xlm_context *ctx)
{
    if (connections->count < 2) {
        return NULL;
    }
    connections->ctx = ctx;
    pthread_mutex_init(&connections->lock, NULL);
    connections->relink = (struct xlm_relink){
        .fd = -1,
        .await = await_none,
        .resumed = resumed,
        .take_stream = take_stream,
        .drop_streams = drop_streams,
        .data = connections,
    };
    if (pthread_create(&connections->joining, NULL, join_all, connections)) {
        die("no thread");
    }
    return &connections->relink;
}

void connections_joined(struct connections *connections)
{
    if (connections->count > 1) {
        pthread_join(connections->joining, NULL);
    }
}
