/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Going on by RDMA, at the destination.
 *
 *   source                            destination
 *   request      ---- ssh, TCP ---->  a child loads rsockets, and listens
 *                <-- port, token ---
 *   a child loads rsockets
 *   token        ===== RDMA =======>
 *                <==== RDMA ========  the greeting, as over any connection
 */
#include "rdma_connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pass_fd.h"
#include "prologue.h"
#include "rdma/agree.h"
#include "rdma/endpoint.h"
#include "rdma_carrier.h"

static int refuse(const struct xl_connection *connection, const char *why)
{
    struct xl_rdma_answer answer;

    xl_rdma_make_refusal(&answer, why);
    (void)xl_rdma_send_answer(connection->send_fd, &answer);
    fprintf(stderr, "xl: destination: RDMA: %s\n", why);
    return -1;
}

static int read_request(const struct xl_connection *connection,
                        const struct xl_options *options,
                        struct xl_rdma_place *place)
{
    struct xl_rdma_request request;

    if (xl_read_until(connection->recv_fd, &request, sizeof(request),
                      xl_deadline(XL_PROLOGUE_SECONDS))) {
        fprintf(stderr,
                "xl: destination: the source has asked for RDMA, but not said "
                "where: %s\n",
                strerror(errno));
        return -1;
    }
    if (xl_rdma_read_request(&request, place)) {
        return refuse(connection,
                      "it does not know this version of the request: install "
                      "the same version of this package on both hosts");
    }
    /* With --tls guests must come encrypted, and RDMA does not encrypt. */
    return options->tls ? refuse(connection, "it takes guests by TLS only, "
                                             "and RDMA would send them in "
                                             "clear")
                        : 0;
}

/* Pass the carrier's answer on to the source unchanged.  A carrier that cannot
 * listen says why in the answer and on stderr: the source shows one, this host
 * the other. */
static int pass_answer(const struct xl_connection *connection, int carrier_fd)
{
    struct xl_rdma_answer answer;

    if (xl_read_until(carrier_fd, &answer, sizeof(answer),
                      xl_deadline(XL_RDMA_SECONDS))) {
        return refuse(connection, "its process for RDMA has failed");
    }
    if (xl_rdma_send_answer(connection->send_fd, &answer)) {
        fprintf(stderr, "xl: destination: the source is gone\n");
        return -1;
    }
    return answer.refused ? -1 : 0;
}

int xl_rdma_take_over(struct xl_connection *connection,
                      const struct xl_options *options)
{
    struct xl_rdma_carrier carrier;
    struct xl_rdma_place place;
    int none;

    if (read_request(connection, options, &place)) {
        return -1;
    }
    if (xl_rdma_carrier_start(&carrier, XL_RDMA_LISTEN, &place)) {
        return refuse(connection, "it can start no process for RDMA");
    }
    if (pass_answer(connection, carrier.recv_fd) ||
        xl_take_fd(carrier.recv_fd, &none)) {
        close(carrier.send_fd);
        close(carrier.recv_fd);
        while (waitpid(carrier.pid, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
        return -1;
    }
    connection->before_recv_fd = connection->recv_fd;
    connection->before_send_fd = connection->send_fd;
    connection->recv_fd = carrier.recv_fd;
    connection->send_fd = carrier.send_fd;
    return 0;
}
