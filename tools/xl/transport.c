/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The process that connects this host with the receiver: ssh, or the user's
 * command.
 */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exit_status.h"
#include "pass_fd.h"
#include "rdma_carrier.h"

/* Time for the transport to end by itself, and then after a SIGTERM. */
#define XL_END_PATIENCE_MS 5000
#define XL_END_STEP_MS 20

/* The exit status of ssh's own failures, in contrast to the remote
 * command's. */
#define XL_SSH_FAILED 255
#define XL_NOT_FOUND 127

/* ---- start ---- */

static void __attribute__((noreturn))
run_command(const char *command, int stdin_fd, int stdout_fd)
{
    sigset_t none;

    /* Only this process acts on a Ctrl-C: once the guest has gone, the
     * connection must stay. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(stdin_fd, STDIN_FILENO) >= 0 &&
        dup2(stdout_fd, STDOUT_FILENO) >= 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    }
    perror("xl: cannot run a shell");
    _exit(XL_NOT_FOUND);
}

static void close_pair(int pair[2])
{
    if (pair[0] >= 0) {
        close(pair[0]);
        close(pair[1]);
    }
}

int xl_transport_start(struct xl_transport *transport, const char *host,
                       const char *command, enum xl_transport_kind kind)
{
    int out[2] = {-1, -1}, in[2] = {-1, -1};

    transport->host = host;
    transport->command = command;
    transport->kind = kind;
    /* Sockets and not pipes, because their queues can be kept short. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in)) {
        goto failed;
    }
    transport->pid = fork();
    if (transport->pid < 0) {
        transport->pid = 0;
        goto failed;
    }
    if (transport->pid == 0) {
        run_command(command, out[1], in[1]);
    }
    close(out[1]);
    close(in[1]);
    transport->send_fd = out[0];
    transport->recv_fd = in[0];
    return 0;

failed:
    fprintf(stderr, "xl: cannot start '%s': %s\n", command, strerror(errno));
    close_pair(out);
    close_pair(in);
    return -1;
}

/* ---- the banner ---- */

/* 0: something has come, or the other end has closed the connection. */
static int await_word(struct xl_transport *transport, int abort_fd)
{
    struct pollfd pollers[2] = {
        {.fd = transport->recv_fd, .events = POLLIN},
        {.fd = abort_fd, .events = POLLIN},
    };
    int ready;

    while ((ready = poll(pollers, 2, XL_PATIENCE_MS)) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    if (!ready) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (pollers[1].revents) {
        errno = ECANCELED;
        return -1;
    }
    return 0;
}

/* One octet at a time: octets behind the line are for another reader. */
static ssize_t read_octet(struct xl_transport *transport, int abort_fd,
                          char *octet)
{
    return await_word(transport, abort_fd)
               ? -1
               : read(transport->recv_fd, octet, 1);
}

/* Use a connection in place of the sockets to the process that has made it. */
static int use_connection(struct xl_transport *transport, int fd)
{
    int other = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (other < 0) {
        perror("xl");
        close(fd);
        return -1;
    }
    close(transport->recv_fd);
    close(transport->send_fd);
    transport->recv_fd = fd;
    transport->send_fd = other;
    return 0;
}

/* Take a connection by TLS or RDMA over from the process that has made it.  0;
 * 1: that process has said why there is none; -1 with errno. */
static int take_connection(struct xl_transport *transport, int abort_fd)
{
    int ret, fd;

    if (await_word(transport, abort_fd)) {
        return -1;
    }
    ret = xl_take_fd(transport->recv_fd, &fd);
    if (ret) {
        return ret;
    }
    transport->connected = true;
    return fd < 0 ? 0 : use_connection(transport, fd);
}

static int say_no_receiver(struct xl_transport *transport)
{
    const char *host = transport->host;
    int status;

    xl_transport_end(transport);
    status =
        WIFEXITED(transport->status) ? WEXITSTATUS(transport->status) : -1;
    if (transport->kind == XL_TRANSPORT_TLS) {
        if (transport->connected) {
            fprintf(stderr,
                    "xl: %s has closed the connection before a receiver "
                    "answered: its log says why\n",
                    host);
        }
    } else if (transport->kind == XL_TRANSPORT_COMMAND) {
        fprintf(stderr,
                "xl: '%s' ended before a receiver answered: is the "
                "destination reachable, and has its xl postcopy support?\n",
                transport->command);
    } else if (status == XL_SSH_FAILED) {
        fprintf(stderr,
                "xl: %s cannot be reached (what ssh said stands above): "
                "check its name, the network and the ssh keys\n",
                host);
    } else if (status == XL_NOT_FOUND) {
        fprintf(stderr,
                "xl: %s has no xl where ssh looks for it: install this "
                "package there\n",
                host);
    } else if (status == XL_EXIT_NOT_ROOT) {
        fprintf(stderr,
                "xl: at %s the receiver does not run as root: connect as "
                "root (root@%s)\n",
                host, host);
    } else if (status == XL_EXIT_NO_DOM0) {
        fprintf(stderr,
                "xl: %s is no Xen dom0: it was booted without Xen, or is a "
                "guest itself\n",
                host);
    } else {
        fprintf(stderr,
                "xl: the xl of %s has no postcopy support: install this "
                "package there\n",
                host);
        return XL_TRANSPORT_NO_POSTCOPY;
    }
    return -1;
}

/* What a line in place of the greeting means: returns what
 * xl_transport_greet() returns. */
static int explain_banner(const char *host, const char *line)
{
    size_t length = sizeof(XL_BANNER) - 2; /* without its line end */

    if (!strcmp(line, XL_BANNER_TLS)) {
        fprintf(
            stderr,
            "xl: %s accepts only connections by TLS: xl migrate --postcopy "
            "--tls\n",
            host);
        return -1;
    }
    if (!strncmp(line, XL_BANNER, length)) {
        fprintf(stderr,
                "xl: a terminal at %s changes what is sent: leave out -t, and "
                "RequestTTY in ssh's configuration\n",
                host);
        return -1;
    }
    if (!strncmp(line, XL_BANNER_START, sizeof(XL_BANNER_START) - 1)) {
        fprintf(stderr,
                "xl: %s has another version of this package: install the same "
                "one on both hosts\n",
                host);
        return XL_TRANSPORT_NO_POSTCOPY;
    }
    return 0;
}

static int refuse_banner(struct xl_transport *transport, const char *line)
{
    char shown[80];
    size_t i;
    int ret;

    snprintf(shown, sizeof(shown), "%s", line);
    for (i = 0; shown[i]; i++) {
        if (shown[i] < ' ' || shown[i] > '~') {
            shown[i] = '?';
        }
    }
    xl_transport_end(transport);
    ret = explain_banner(transport->host, line);
    if (ret) {
        return ret;
    }
    if (!strncmp(line, "xl migration receiver", 21)) {
        fprintf(stderr,
                "xl: the xl of %s has no postcopy support: install this "
                "package there\n",
                transport->host);
        ret = XL_TRANSPORT_NO_POSTCOPY;
    } else {
        fprintf(stderr,
                "xl: %s answers '%s' in place of a receiver's greeting: see "
                "that logging in there prints nothing to stdout\n",
                transport->host, shown);
        ret = -1;
    }
    return ret;
}

static int say_no_rdma(const struct xl_transport *transport, const char *why)
{
    fprintf(stderr, "xl: no connection by RDMA with %s: %s\n", transport->host,
            why);
    return -1;
}

/* The greeting does not come: what xl_transport_greet() returns. */
static int give_up(struct xl_transport *transport)
{
    if (errno == ECANCELED && transport->further) {
        return -1; /* it is not needed any more */
    }
    if (errno == ECANCELED) {
        fprintf(stderr, "xl: given up before the receiver answered\n");
        return -1;
    }
    if (errno == ETIMEDOUT) {
        xl_transport_end(transport);
        fprintf(stderr,
                "xl: %s has not answered for three minutes: is the link "
                "cut, or does something there wait for input?\n",
                transport->host);
        return -1;
    }
    return transport->answered
               ? say_no_rdma(transport,
                             "the receiver there has ended; what it "
                             "has said stands above, or in its log")
               : say_no_receiver(transport);
}

static int read_greeting(struct xl_transport *transport, int abort_fd)
{
    char line[sizeof(XL_BANNER)] = "";
    size_t length = 0;
    ssize_t got;

    while (length < sizeof(line) - 1) {
        got = read_octet(transport, abort_fd, &line[length]);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got ? errno : ECONNRESET;
            return give_up(transport);
        }
        length++;
        if (line[length - 1] == '\n') {
            break;
        }
    }
    return strcmp(line, XL_BANNER) ? refuse_banner(transport, line) : 0;
}

/* ---- RDMA ---- */

/* Read all of the answer.  0, or -1 with errno. */
static int read_answer(struct xl_transport *transport, int abort_fd,
                       struct xl_rdma_answer *answer)
{
    char *at = (char *)answer;
    size_t have = 0;
    ssize_t got;

    while (have < sizeof(*answer)) {
        if (await_word(transport, abort_fd)) {
            return -1;
        }
        got = read(transport->recv_fd, at + have, sizeof(*answer) - have);
        if (!got) {
            errno = ECONNRESET;
        }
        if (!got || (got < 0 && errno != EINTR)) {
            return -1;
        }
        have += got > 0 ? got : 0;
    }
    return 0;
}

/* Ask the receiver where it listens by RDMA.  Returns what
 * xl_transport_greet() does. */
static int ask_for_rdma(struct xl_transport *transport, int abort_fd,
                        struct xl_rdma_place *place)
{
    char why[XL_RDMA_WHY_MAX];
    struct xl_rdma_request request;
    struct xl_rdma_answer answer;

    if (xl_rdma_resolve(transport->rdma, place, why)) {
        return say_no_rdma(transport, why);
    }
    xl_rdma_make_request(&request, place);
    if (send(transport->send_fd, &request, sizeof(request), MSG_NOSIGNAL) !=
            sizeof(request) ||
        read_answer(transport, abort_fd, &answer)) {
        return give_up(transport);
    }
    return xl_rdma_read_answer(&answer, place, why)
               ? say_no_rdma(transport, why)
               : 0;
}

/* From then on send_fd and recv_fd lead to the carrier. */
static int start_carrier(struct xl_transport *transport,
                         const struct xl_rdma_place *place)
{
    struct xl_rdma_carrier carrier;

    if (xl_rdma_carrier_start(&carrier, XL_RDMA_CONNECT, place)) {
        return say_no_rdma(transport, strerror(errno));
    }
    transport->before_send_fd = transport->send_fd;
    transport->before_recv_fd = transport->recv_fd;
    transport->rdma_pid = carrier.pid;
    transport->send_fd = carrier.send_fd;
    transport->recv_fd = carrier.recv_fd;
    return 0;
}

/* Returns what xl_transport_greet() does. */
static int go_by_rdma(struct xl_transport *transport, int abort_fd)
{
    struct xl_rdma_place place;
    int ret = ask_for_rdma(transport, abort_fd, &place);

    if (ret || start_carrier(transport, &place)) {
        return ret ? ret : -1;
    }
    ret = take_connection(transport, abort_fd);
    if (ret > 0) {
        return -1; /* the carrier has said why */
    }
    return ret ? give_up(transport) : read_greeting(transport, abort_fd);
}

int xl_transport_greet(struct xl_transport *transport, int abort_fd)
{
    int ret;

    if (transport->kind == XL_TRANSPORT_TLS &&
        take_connection(transport, abort_fd)) {
        return give_up(transport);
    }
    ret = read_greeting(transport, abort_fd);
    if (ret || !transport->rdma) {
        return ret;
    }
    transport->answered = true;
    return go_by_rdma(transport, abort_fd);
}

/* ---- end ---- */

static bool reap(pid_t *pid, int *status, int patience_ms)
{
    const struct timespec step = {.tv_nsec = XL_END_STEP_MS * 1000000L};
    pid_t got;

    for (;;) {
        got = waitpid(*pid, status, WNOHANG);
        if (got == *pid || (got < 0 && errno != EINTR)) {
            *pid = 0;
            return true;
        }
        if (patience_ms <= 0) {
            return false;
        }
        nanosleep(&step, NULL);
        patience_ms -= XL_END_STEP_MS;
    }
}

/* Wait for the process to end by itself, because its connection has ended; or
 * kill it. */
static void end_process(pid_t *pid, int *status)
{
    if (*pid && !reap(pid, status, XL_END_PATIENCE_MS)) {
        kill(*pid, SIGTERM);
        if (!reap(pid, status, XL_END_PATIENCE_MS)) {
            kill(*pid, SIGKILL);
            reap(pid, status, XL_END_PATIENCE_MS);
        }
        /* this process has killed it: no status counts */
        *status = -1;
    }
}

void xl_transport_end(struct xl_transport *transport)
{
    int said_itself;

    if (transport->send_fd >= 0) {
        xl_tls_kernel_say_end(transport->send_fd);
        transport->how = xl_tls_kernel_how_ended(transport->recv_fd);
        close(transport->send_fd);
        close(transport->recv_fd);
    }
    transport->send_fd = -1;
    transport->recv_fd = -1;
    end_process(&transport->rdma_pid, &said_itself);
    if (transport->before_send_fd >= 0) {
        close(transport->before_send_fd);
        close(transport->before_recv_fd);
    }
    transport->before_send_fd = -1;
    transport->before_recv_fd = -1;
    end_process(&transport->pid, &transport->status);
}

void xl_transport_explain(const struct xl_transport *transport, char *text,
                          size_t room)
{
    int status = transport->status;

    if (transport->how == XL_TLS_CUT) {
        snprintf(text, room,
                 "The TLS connection with %s was cut: it has ended, and the "
                 "other end has not said so.",
                 transport->host);
    } else if (status == -1 || status == 0) {
        snprintf(text, room, "%s", "");
    } else if (WIFSIGNALED(status)) {
        snprintf(text, room,
                 "The connection's own process was ended by "
                 "signal %d (%s).",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (transport->kind == XL_TRANSPORT_TLS) {
        snprintf(text, room, "%s", ""); /* it has said so itself */
    } else if (transport->kind == XL_TRANSPORT_SSH &&
               WEXITSTATUS(status) == XL_SSH_FAILED) {
        snprintf(text, room,
                 "ssh lost the connection, or the receiver was "
                 "killed at %s.",
                 transport->host);
    } else {
        snprintf(text, room, "The receiver ended with exit status %d.",
                 WEXITSTATUS(status));
    }
}
