/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection to a store that speaks the protocol of Redis, RESP 2.
 */
#ifndef BENCH_KV_LINK_H
#define BENCH_KV_LINK_H

#include <stddef.h>

/* The longest answer that is expected: a value and its frame. */
#define KV_ANSWER_MAX 65536

struct kv_link {
    int fd;       /* -1: not connected */
    size_t have;  /* octets in `octets` */
    size_t taken; /* of these, those of the answer returned last */
    char octets[KV_ANSWER_MAX];
};

struct kv_answer {
    char type;        /* '+' or '-' with text, '$' with a value, ':' */
    const char *data; /* good until the next call; NULL: no such key */
    size_t length;
};

/* Connect to a numeric address.  0, or -1 with errno. */
int kv_link_connect(struct kv_link *link, const char *address,
                    const char *port);

/* Harmless when it is not connected. */
void kv_link_close(struct kv_link *link);

/* Send a command of `count` words with these lengths.  0, or -1 with errno. */
int kv_link_send(struct kv_link *link, size_t count, const char *const words[],
                 const size_t lengths[]);

/* Wait for one answer, with no time limit.  0, or -1 with errno: EPIPE at the
 * end of the connection, EPROTO for what is no answer. */
int kv_link_receive(struct kv_link *link, struct kv_answer *answer);

#endif
