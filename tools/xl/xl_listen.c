/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-listen: receivers, a process for each connection.
 *
 * The process that listens never reads what comes, and knows nothing of TLS
 * and guests: it accepts, forks, and counts.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "receive.h"
#include "receive_policy_file.h"
#include "tcp.h"
#include "tls_options.h"

/* A name may have addresses of either family. */
#define ADDRESSES_MAX 8

struct listener {
    struct xl_context *xl;
    struct xl_options options; /* of each receiver as well */
    struct xl_tcp_address address;
    int fds[ADDRESSES_MAX];
    int count;
    int signal_fd;
    sigset_t signals_before;
    uint64_t connections; /* that have a process */
    bool stops;
};

/* ---- before ---- */

/* A receiver would look at the process that has started it: that is us.  The
 * stock receiver looks at no policy at all. */
static int find_policy(struct listener *listener)
{
    struct xl_options *options = &listener->options;

    if (options->stock &&
        (!options->policy || strcmp(options->policy, "none"))) {
        fprintf(stderr, "xl: the stock receiver knows no policy: add --policy "
                        "none if the hosts that can connect may send any "
                        "guest\n");
        return -1;
    }
    if (!options->policy) {
        options->policy = XL_RECEIVE_POLICY_FILE;
    }
    return 0;
}

static int find_address(struct listener *listener)
{
    const char *given = listener->options.domain; /* the first argument */

    if (!given && listener->options.tls) {
        given = ":" XL_TCP_PORT;
    }
    if (!given) {
        fprintf(stderr,
                "xl: without --tls any host that can connect is root here: "
                "say at which ADDRESS, on a network that only the "
                "hosts can reach\n");
        return -1;
    }
    if (!xl_tcp_parse(given, &listener->address)) {
        fprintf(stderr,
                "xl: ADDRESS is HOST, HOST:PORT, :PORT or [IPV6]:PORT, and "
                "'%s' is none of these\n",
                given);
        return -1;
    }
    return 0;
}

/* Each receiver reads the files anew; but what is wrong with them shows now,
 * to the person that starts this. */
static int check_files(const struct listener *listener)
{
    const struct xl_options *options = &listener->options;
    struct xl_tls_credentials credentials;
    char why[XL_TLS_WHY_MAX];
    struct xl_peers peers;

    if (!options->tls) {
        return 0;
    }
    if (xl_tls_credentials_load(&credentials, xl_tls_directory(options),
                                XL_TLS_SERVER, why)) {
        fprintf(stderr, "xl: no TLS: %s\n", why);
        return -1;
    }
    xl_tls_credentials_free(&credentials);
    if (xl_receive_policy_peers(options->policy, options->peers, &peers)) {
        return -1;
    }
    xl_peers_free(&peers);
    return 0;
}

static int start_listening(struct listener *listener)
{
    const struct xl_tcp_address *address = &listener->address;
    char why[XL_TCP_WHY_MAX] = "";

    listener->count =
        xl_tcp_listen(address, listener->fds, ADDRESSES_MAX, why);
    if (listener->count < 0) {
        fprintf(stderr, "xl: cannot listen at %s, port %s: %s\n",
                address->host[0] ? address->host : "any address",
                address->port, why);
        return -1;
    }
    fprintf(stderr, "xl: listening at %s, port %s, %s\n",
            address->host[0] ? address->host : "any address", address->port,
            listener->options.tls
                ? "for hosts that TLS knows"
                : "without TLS: any host that can connect is root here");
    return 0;
}

static int take_signals(struct listener *listener)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &listener->signals_before);
    listener->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (listener->signal_fd < 0) {
        perror("xl: signalfd");
        return -1;
    }
    return 0;
}

/* ---- connections ---- */

/* In the process of a receiver, which is one like any other from here on. */
static void __attribute__((noreturn))
run_receiver(struct listener *listener, int fd)
{
    for (int i = 0; i < listener->count; i++) {
        close(listener->fds[i]);
    }
    close(listener->signal_fd);
    sigprocmask(SIG_SETMASK, &listener->signals_before, NULL);
    if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) {
        perror("xl");
        exit(EXIT_FAILURE);
    }
    close(fd);
    exit(xl_receive(listener->xl, &listener->options));
}

static void say_who(const struct sockaddr_storage *address, socklen_t length,
                    const char *what)
{
    char host[NI_MAXHOST] = "a host", port[NI_MAXSERV] = "";

    (void)getnameinfo((const struct sockaddr *)address, length, host,
                      sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    fprintf(stderr, "xl: %s, port %s, has connected%s\n", host, port, what);
}

static void accept_one(struct listener *listener, int listening)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int fd =
        accept4(listening, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
    pid_t pid;

    if (fd < 0) {
        return;
    }
    if (listener->connections >= listener->options.max_connections) {
        say_who(&address, length,
                " and is refused: --max-connections are open already");
        close(fd);
        return;
    }
    pid = fork();
    if (!pid) {
        say_who(&address, length, "");
        run_receiver(listener, fd);
    }
    if (pid < 0) {
        perror("xl: no process for a connection");
    } else {
        listener->connections++;
    }
    close(fd);
}

static void reap(struct listener *listener)
{
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        listener->connections--;
    }
}

static void take_signal(struct listener *listener)
{
    struct signalfd_siginfo info;

    while (read(listener->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        listener->stops |= info.ssi_signo != SIGCHLD;
    }
    reap(listener);
}

static int serve(struct listener *listener)
{
    struct pollfd pollers[ADDRESSES_MAX + 1];

    for (int i = 0; i < listener->count; i++) {
        pollers[i] = (struct pollfd){listener->fds[i], .events = POLLIN};
    }
    pollers[listener->count] =
        (struct pollfd){listener->signal_fd, .events = POLLIN};
    while (!listener->stops) {
        if (poll(pollers, listener->count + 1, -1) < 0 && errno != EINTR) {
            perror("xl: poll");
            return -1;
        }
        for (int i = 0; i < listener->count; i++) {
            if (pollers[i].revents) {
                accept_one(listener, listener->fds[i]);
            }
        }
        take_signal(listener);
    }
    return 0;
}

/* Receivers go on without us: guests run here that are not whole yet. */
static int run(struct listener *listener)
{
    int ret = find_policy(listener);

    if (!ret) {
        ret = find_address(listener);
    }
    if (!ret) {
        ret = check_files(listener);
    }
    if (!ret) {
        ret = take_signals(listener);
    }
    if (!ret) {
        ret = start_listening(listener);
    }
    if (!ret) {
        ret = serve(listener);
    }
    for (int i = 0; i < listener->count; i++) {
        close(listener->fds[i]);
    }
    return ret;
}

int xl_main_migrate_listen(struct xl_context *xl, int argc, char **argv)
{
    struct listener listener = {.xl = xl, .signal_fd = -1};
    int status;

    if (!xl_options_read(&listener.options, XL_COMMAND_LISTEN, argc, argv,
                         &status)) {
        return status;
    }
    status = xl_check_host();
    if (status) {
        return status;
    }
    status = run(&listener) ? EXIT_FAILURE : EXIT_SUCCESS;
    if (listener.signal_fd >= 0) {
        close(listener.signal_fd);
    }
    return status;
}
