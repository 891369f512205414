/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What two hosts tell each other, over the connection that they have, so as to
 * go on by RDMA: docs/specs/migrate-rdma.md.
 */
#ifndef XL_RDMA_AGREE_H
#define XL_RDMA_AGREE_H

#include <stdint.h>
#include <sys/socket.h>

#include "rsockets.h"

#define XL_RDMA_MAGIC "XLRDMACM"
#define XL_RDMA_VERSION 1u
#define XL_RDMA_TOKEN_SIZE 16

/* The source's wish: which address of the destination it will connect to. */
struct xl_rdma_request {
    char magic[8];
    uint32_t version;
    uint32_t family;     /* 4 or 6, of IP */
    uint8_t address[16]; /* in the order of the network; zeros behind */
};

_Static_assert(sizeof(struct xl_rdma_request) == 32, "wire");

#define XL_RDMA_ANSWER_WHY 228
struct xl_rdma_answer {
    uint32_t refused;                  /* 0, or 1 with the reason in why */
    uint32_t port;                     /* where the destination waits */
    uint8_t token[XL_RDMA_TOKEN_SIZE]; /* what the source has to say there */
    char why[XL_RDMA_ANSWER_WHY];      /* UTF-8 */
    uint32_t zero;
};

_Static_assert(sizeof(struct xl_rdma_answer) == 256, "wire");

/* Where one end waits for the other by RDMA, and what it wants to hear. */
struct xl_rdma_place {
    struct sockaddr_storage address; /* with the port */
    uint8_t token[XL_RDMA_TOKEN_SIZE];
};

/* The length of an address by its family. Pure. */
socklen_t xl_rdma_address_length(const struct xl_rdma_place *place);

/* The address of a host, by its name or as it is written; the port and the
 * token are not set.  Asks for names.  0, or -1 with the reason. */
int xl_rdma_resolve(const char *host, struct xl_rdma_place *place,
                    char why[XL_RDMA_WHY_MAX]);

/* All of these are pure. */

void xl_rdma_make_request(struct xl_rdma_request *request,
                          const struct xl_rdma_place *place);

/* The address that the source wants, with port 0.  0, or -1: it is no request
 * of this version. */
int xl_rdma_read_request(const struct xl_rdma_request *request,
                         struct xl_rdma_place *place);

/* By a place with a port; or by the reason why there is none. */
void xl_rdma_make_answer(struct xl_rdma_answer *answer,
                         const struct xl_rdma_place *place);
void xl_rdma_make_refusal(struct xl_rdma_answer *answer, const char *why);

/* Send it, at once: it fits into what any socket or pipe takes.  0, or -1 with
 * errno.  Not pure. */
int xl_rdma_send_answer(int fd, const struct xl_rdma_answer *answer);

/* Put the port and the token into the place.  0; or -1 with the reason, which
 * is the destination's where it has refused. */
int xl_rdma_read_answer(const struct xl_rdma_answer *answer,
                        struct xl_rdma_place *place,
                        char why[XL_RDMA_WHY_MAX]);

#endif
