/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The connections between the two processes that measure the engine.
 */
#ifndef BENCH_CONNECTIONS_H
#define BENCH_CONNECTIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "wire/wire.h"
#include "xlm.h"

struct connections {
    const char *over;   /* see connections_make() */
    uint64_t most_rate; /* octets a second of each; 0: as many as it takes */
    uint32_t count;     /* with the first one */
    int ends[XLM_STREAMS_MOST][2]; /* the source's, the destination's */
    pid_t processes[XLM_STREAMS_MOST];
    pthread_t joining; /* the destination's */
    struct xlm_relink relink;
    struct xlm_context *ctx;
    uint32_t joined;      /* all streams below this number have ... */
    pthread_mutex_t lock; /* ... and it is guarded by this */
};

/*
 * Make `count` connections of this process with itself, before it becomes two.
 * Over TCP; or, with `over`, each by a process of this shell command, which
 * connects its stdin and stdout with the TCP port $PORT of this host.
 */
void connections_make(struct connections *connections);
/* Keep those of one end: 0, the source's, or 1. */
void connections_keep(struct connections *connections, int end);
/* At the source, for xlm_save(); data is the connections. */
int connections_use_stream(uint32_t index, int cancel_fd, int *in_fd,
                           int *out_fd, void *data);
/* At the destination, for xlm_restore(): streams join in a thread. */
const struct xlm_relink *connections_join(struct connections *connections,
                                          struct xlm_context *ctx);
void connections_joined(struct connections *connections);
/* At the source: close all, and wait for their processes. */
void connections_end(struct connections *connections);

#endif
