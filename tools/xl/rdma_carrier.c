/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The process that carries a connection by RDMA.
 */
#include "rdma_carrier.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"
#include "pass_fd.h"
#include "prologue.h"
#include "rdma/endpoint.h"

/* The carrier's name in ps, at both ends. */
#define NAME "xl-rdma"

/* ---- starting a carrier ---- */

/* Makes only calls that are safe after fork() in a process with threads. */
static void __attribute__((noreturn))
become_carrier(const char *role, int stdin_fd, int stdout_fd)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(stdin_fd, STDIN_FILENO) >= 0 &&
        dup2(stdout_fd, STDOUT_FILENO) >= 0) {
        execl("/proc/self/exe", "xl", XL_RDMA_CARRIER, "--postcopy", role,
              (char *)NULL);
    }
    _exit(EXIT_FAILURE);
}

static void close_pair(int pair[2])
{
    if (pair[0] >= 0) {
        close(pair[0]);
        close(pair[1]);
    }
}

/* A place fits into a socket's buffer, so one call sends all of it. */
static int send_place(int fd, const struct xl_rdma_place *place)
{
    return send(fd, place, sizeof(*place), MSG_NOSIGNAL) == sizeof(*place)
               ? 0
               : -1;
}

int xl_rdma_carrier_start(struct xl_rdma_carrier *carrier, const char *role,
                          const struct xl_rdma_place *place)
{
    int out[2] = {-1, -1}, in[2] = {-1, -1}, saved_errno;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) ||
        send_place(out[0], place)) {
        goto failed;
    }
    carrier->pid = fork();
    if (carrier->pid < 0) {
        goto failed;
    }
    if (!carrier->pid) {
        become_carrier(role, out[1], in[1]);
    }
    close(out[1]);
    close(in[1]);
    carrier->send_fd = out[0];
    carrier->recv_fd = in[0];
    return 0;

failed:
    saved_errno = errno;
    close_pair(out);
    close_pair(in);
    errno = saved_errno;
    return -1;
}

/* ---- the carrier ---- */

static int fail_without_xl(struct xl_rdma *rdma)
{
    snprintf(rdma->why, sizeof(rdma->why),
             "the process that has asked for the connection is gone");
    return -1;
}

/* These return 0, or -1 with rdma->why. */

static int listen_at(struct xl_rdma *rdma, struct xl_rdma_place *place)
{
    const uint64_t deadline = xl_deadline(XL_RDMA_SECONDS);
    struct xl_rdma_answer answer;
    int ret = xl_rdma_listen(rdma, place);

    if (ret) {
        xl_rdma_make_refusal(&answer, rdma->why);
    } else {
        xl_rdma_make_answer(&answer, place);
    }
    if (xl_rdma_send_answer(STDOUT_FILENO, &answer)) {
        return fail_without_xl(rdma);
    }
    return ret ? -1 : xl_rdma_accept(rdma, place, deadline);
}

static int connect_to(struct xl_rdma *rdma, struct xl_rdma_place *place)
{
    return xl_rdma_connect(rdma, place, xl_deadline(XL_RDMA_SECONDS));
}

static int make_connection(struct xl_rdma *rdma, bool listens)
{
    struct xl_rdma_place place;

    if (xl_read_until(STDIN_FILENO, &place, sizeof(place),
                      xl_deadline(XL_RDMA_SECONDS))) {
        return fail_without_xl(rdma);
    }
    if (listens ? listen_at(rdma, &place) : connect_to(rdma, &place)) {
        return -1;
    }
    return xl_pass_fd(STDOUT_FILENO, -1) ? fail_without_xl(rdma) : 0;
}

static int serve(struct xl_rdma *rdma, bool listens)
{
    int ret = make_connection(rdma, listens);

    if (!ret) {
        ret = xl_rdma_carry(rdma, STDIN_FILENO, STDOUT_FILENO);
    }
    xl_rdma_close(rdma);
    return ret;
}

int xl_main_rdma_carrier(struct xl_context *xl, int argc, char **argv)
{
    const bool listens = argc > 2 && !strcmp(argv[2], XL_RDMA_LISTEN);
    struct xl_rsockets calls;
    struct xl_rdma rdma = XL_RDMA_CLOSED(&calls);
    struct xl_rdma_answer refusal;
    int ret;

    (void)xl;
    xl_carrier_become(NAME);
    ret = xl_rsockets_load(&calls, rdma.why);
    if (!ret) {
        ret = serve(&rdma, listens);
    } else if (listens) {
        xl_rdma_make_refusal(&refusal, rdma.why);
        (void)xl_rdma_send_answer(STDOUT_FILENO, &refusal);
    }
    if (ret) {
        fprintf(stderr, "xl: %sRDMA: %s\n", listens ? "destination: " : "",
                rdma.why);
    }
    return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
