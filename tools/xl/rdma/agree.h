/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What two hosts tell each other over their first connection before they go on
 * by RDMA: docs/specs/migrate-rdma.md.
 */
#ifndef XL_RDMA_AGREE_H
#define XL_RDMA_AGREE_H

#include <stdint.h>
#include <sys/socket.h>

#include "rsockets.h"

#define XL_RDMA_MAGIC "XLRDMACM"
#define XL_RDMA_VERSION 1u
#define XL_RDMA_TOKEN_SIZE 16

/* The source's request: which address of the destination it will connect
 * to. */
struct xl_rdma_request {
    char magic[8];
    uint32_t version;
    uint32_t family;     /* 4 or 6, of IP */
    uint8_t address[16]; /* in network order; of IPv4 4 octets, and zeros */
};

_Static_assert(sizeof(struct xl_rdma_request) == 32, "wire");

#define XL_RDMA_ANSWER_WHY 228
struct xl_rdma_answer {
    uint32_t refused;                  /* 0, or 1 with the reason in why */
    uint32_t port;                     /* where the destination listens */
    uint8_t token[XL_RDMA_TOKEN_SIZE]; /* what the source must send first */
    char why[XL_RDMA_ANSWER_WHY];      /* UTF-8 */
    uint32_t zero;
};

_Static_assert(sizeof(struct xl_rdma_answer) == 256, "wire");

/* Where the destination listens by RDMA, and the token with which a connection
 * must begin. */
struct xl_rdma_place {
    struct sockaddr_storage address; /* with the port */
    uint8_t token[XL_RDMA_TOKEN_SIZE];
};

/* The length of an address by its family. Pure. */
socklen_t xl_rdma_address_length(const struct xl_rdma_place *place);

/* Look up a host's address, by its name or as a number; the port and the token
 * become 0.  May wait for a name server.  0, or -1 with the reason. */
int xl_rdma_resolve(const char *host, struct xl_rdma_place *place,
                    char why[XL_RDMA_WHY_MAX]);

/* All of the following are pure, but xl_rdma_send_answer(). */

void xl_rdma_make_request(struct xl_rdma_request *request,
                          const struct xl_rdma_place *place);

/* Read the address that the source asks for into the place; its port becomes
 * 0.  0, or -1: the octets are no request of this version. */
int xl_rdma_read_request(const struct xl_rdma_request *request,
                         struct xl_rdma_place *place);

/* Make an answer from a place with its port; or from the reason, for a person,
 * why there is none. */
void xl_rdma_make_answer(struct xl_rdma_answer *answer,
                         const struct xl_rdma_place *place);
void xl_rdma_make_refusal(struct xl_rdma_answer *answer, const char *why);

/* Send an answer by one call: it fits into the buffer of any socket or pipe.
 * 0, or -1 with errno. */
int xl_rdma_send_answer(int fd, const struct xl_rdma_answer *answer);

/* Put an answer's port and token into the place.  0; or -1 with the reason,
 * which is the destination's if it has refused. */
int xl_rdma_read_answer(const struct xl_rdma_answer *answer,
                        struct xl_rdma_place *place,
                        char why[XL_RDMA_WHY_MAX]);

#endif
