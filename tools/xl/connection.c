/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A receiver's connection.
 */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"
#include "prologue.h"
#include "tcp.h"
#include "tls/kernel.h"
#include "tls/relay.h"
#include "tls_options.h"
#include "transport.h"
#include "visitor.h"

/* ---- a process between, where the kernel does no TLS ---- */

static void __attribute__((noreturn))
run_relay(struct xl_tls *tls, int plain_fd)
{
    enum xl_tls_how how;

    xl_carrier_become("xl-tls");
    how = xl_tls_relay(tls, plain_fd, plain_fd, XL_TLS_REKEY_OCTETS);
    if (how == XL_TLS_CUT) {
        fprintf(stderr, "xl: destination: %s\n", tls->why);
    }
    _exit(how == XL_TLS_CUT ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* A descriptor that speaks plain, or -1. */
static int start_relay(struct xl_tls *tls)
{
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
        return -1;
    }
    pid = fork();
    if (!pid) {
        close(ends[0]);
        run_relay(tls, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    close(tls->fd);
    return ends[0];
}

/* ---- TLS ---- */

/* The descriptor that speaks plain from now on, or -1 having said why. */
static int go_on_in_plain(struct xl_tls *tls)
{
    int ret = tls->for_kernel ? xl_tls_kernel_take(tls->session, tls->fd) : 1;

    if (!ret) {
        return tls->fd;
    }
    ret = ret < 0 ? -1 : start_relay(tls);
    if (ret < 0) {
        perror("xl: destination: TLS cannot go on");
    }
    return ret;
}

/* The same, of a connection that is verified first. */
static int open_tls(int fd, const struct xl_options *options,
                    const struct xl_peers *peers)
{
    struct xl_tls tls = XL_TLS_CLOSED;
    struct xl_tls_credentials credentials;
    const struct xl_tls_wishes wishes = {
        .credentials = &credentials,
        .kernel = !options->no_ktls,
        .deadline = xl_deadline(XL_TLS_SECONDS),
        .peers = peers->names,
        .peers_where = peers->where,
        .clear_answer = XL_BANNER_TLS,
    };
    int plain_fd = -1;

    if (xl_tls_credentials_load(&credentials, xl_tls_directory(options),
                                XL_TLS_SERVER, tls.why) ||
        xl_tls_open(&tls, fd, &wishes)) {
        fprintf(stderr, "xl: destination: no connection by TLS: %s\n",
                tls.why);
    } else {
        plain_fd = go_on_in_plain(&tls);
    }
    xl_tls_close(&tls);
    xl_tls_credentials_free(&credentials);
    return plain_fd;
}

/* ---- plain ---- */

static int use_tls(struct xl_connection *connection,
                   const struct xl_options *options,
                   const struct xl_peers *peers)
{
    int fd = open_tls(connection->recv_fd, options, peers);

    close(connection->send_fd);
    if (fd < 0) {
        close(connection->recv_fd);
    }
    connection->recv_fd = fd;
    connection->send_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 || connection->send_fd < 0 ? -1 : 0;
}

int xl_connection_take(struct xl_connection *connection,
                       const struct xl_options *options,
                       const struct xl_peers *peers)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    signal(SIGPIPE, SIG_IGN);
    connection->recv_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    connection->send_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (null_fd < 0 || connection->recv_fd < 0 || connection->send_fd < 0 ||
        dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        fprintf(stderr, "xl: stdin and stdout must be open: %s\n",
                strerror(errno));
        return -1;
    }
    close(null_fd);
    if (!options->tls) {
        xl_keep_alive(connection->recv_fd);
        return 0;
    }
    xl_tcp_tune(connection->recv_fd);
    return use_tls(connection, options, peers);
}

int xl_connection_await_visitor(const struct xl_connection *connection)
{
    int visitor = xl_visitor_await(connection->recv_fd,
                                   xl_deadline(XL_PROLOGUE_SECONDS));

    if (visitor < 0 && errno == ETIMEDOUT) {
        fprintf(stderr,
                "xl: the host that has connected has not said what it wants "
                "within %d seconds\n",
                XL_PROLOGUE_SECONDS);
    } else if (visitor < 0) {
        fprintf(stderr, "xl: the source is gone before it said what it "
                        "wants\n");
    } else if (visitor == XL_VISITOR_TLS) {
        fprintf(stderr,
                "xl: the host that has connected speaks TLS: start what "
                "listens here with --tls\n");
    } else if (visitor == XL_VISITOR_UNKNOWN) {
        fprintf(stderr, "xl: the host that has connected sends nothing that a "
                        "source does: it is no xl migrate\n");
    } else {
        return visitor;
    }
    return -1;
}

void xl_connection_close(struct xl_connection *connection)
{
    if (connection->send_fd >= 0) {
        xl_tls_kernel_say_end(connection->send_fd);
        close(connection->send_fd);
        close(connection->recv_fd);
    }
    if (connection->before_send_fd >= 0) {
        close(connection->before_send_fd);
        close(connection->before_recv_fd);
    }
    *connection = XL_CONNECTION_NONE;
}
