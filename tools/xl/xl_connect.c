/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-connect: from stdin and stdout by TLS to a host that listens.  It
 * is also what xl migrate --tls starts in place of ssh.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "commands.h"
#include "pass_fd.h"
#include "options.h"
#include "prologue.h"
#include "tcp.h"
#include "tls/kernel.h"
#include "tls/relay.h"
#include "tls_options.h"

struct connector {
    struct xl_options options;
    struct xl_tcp_address address;
    struct xl_tls_credentials credentials;
    struct xl_tls tls;
    int fd;
};

/* ---- stages ---- */

static int find_address(struct connector *connector)
{
    const char *host = connector->options.domain; /* the first argument */

    if (xl_tcp_parse(host, &connector->address) &&
        connector->address.host[0]) {
        return 0;
    }
    fprintf(stderr,
            "xl: with --tls the host is HOST, HOST:PORT or [IPV6]:PORT, and "
            "'%s' is none of these\n",
            host);
    return -1;
}

static int load(struct connector *connector)
{
    char why[XL_TLS_WHY_MAX];

    if (!xl_tls_credentials_load(&connector->credentials,
                                 xl_tls_directory(&connector->options),
                                 XL_TLS_CLIENT, why)) {
        return 0;
    }
    fprintf(stderr, "xl: no TLS: %s\n", why);
    return -1;
}

static int connect_host(struct connector *connector, uint64_t deadline)
{
    char why[XL_TCP_WHY_MAX];

    connector->fd = xl_tcp_connect(&connector->address, deadline, why);
    if (connector->fd >= 0) {
        return 0;
    }
    fprintf(stderr, "xl: cannot connect to %s, port %s: %s\n",
            connector->address.host, connector->address.port, why);
    return -1;
}

static int open_tls(struct connector *connector, uint64_t deadline)
{
    const struct xl_options *options = &connector->options;
    const struct xl_tls_wishes wishes = {
        .credentials = &connector->credentials,
        /* Only a socket can be passed on. */
        .kernel = options->pass_fd && !options->no_ktls,
        .deadline = deadline,
        .host = options->tls_hostname ? options->tls_hostname
                                      : connector->address.host,
    };

    if (!xl_tls_open(&connector->tls, connector->fd, &wishes)) {
        return 0;
    }
    fprintf(stderr, "xl: no connection by TLS with %s: %s\n",
            connector->address.host, connector->tls.why);
    return -1;
}

/* 0: done; 1: the kernel does not take it; -1 having said why. */
static int give_to_kernel(struct connector *connector)
{
    int ret = connector->tls.for_kernel
                  ? xl_tls_kernel_take(connector->tls.session, connector->fd)
                  : 1;

    if (ret < 0) {
        perror("xl: the kernel has TLS, but does not take this connection "
               "(--no-ktls does without)");
    }
    return ret;
}

static int relay(struct connector *connector)
{
    prctl(PR_SET_NAME, "xl-tls");
    signal(SIGPIPE, SIG_IGN);
    if (connector->options.pass_fd) {
        /* xl migrate does not end with its terminal either. */
        signal(SIGHUP, SIG_IGN);
    }
    if (xl_tls_relay(&connector->tls, STDIN_FILENO, STDOUT_FILENO,
                     XL_TLS_REKEY_OCTETS) == XL_TLS_ENDED) {
        return 0;
    }
    fprintf(stderr, "xl: %s\n", connector->tls.why);
    return -1;
}

/* The process that has started us gets the connection itself, or keeps us
 * between. */
static int serve(struct connector *connector)
{
    int ret = give_to_kernel(connector);

    if (ret < 0) {
        return -1;
    }
    if (connector->options.pass_fd &&
        xl_pass_fd(STDOUT_FILENO, ret ? -1 : connector->fd)) {
        perror("xl: the process that has started this does not take the "
               "connection");
        return -1;
    }
    return ret ? relay(connector) : 0;
}

static int connect_and_serve(struct connector *connector)
{
    const uint64_t deadline = xl_deadline(XL_TLS_SECONDS);

    if (find_address(connector) || load(connector) ||
        connect_host(connector, deadline) || open_tls(connector, deadline)) {
        return -1;
    }
    return serve(connector);
}

int xl_main_migrate_connect(struct xl_context *xl, int argc, char **argv)
{
    struct connector connector = {
        .credentials = XL_TLS_NO_CREDENTIALS,
        .tls = XL_TLS_CLOSED,
        .fd = -1,
    };
    int status;

    (void)xl;
    if (!xl_options_read(&connector.options, XL_COMMAND_CONNECT, argc, argv,
                         &status)) {
        return status;
    }
    status = connect_and_serve(&connector) ? EXIT_FAILURE : EXIT_SUCCESS;
    xl_tls_close(&connector.tls);
    xl_tls_credentials_free(&connector.credentials);
    if (connector.fd >= 0) {
        close(connector.fd);
    }
    return status;
}
