/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The further streams of a push: connections to the receiver besides the first
 * one.
 */
#ifndef XL_STREAMS_H
#define XL_STREAMS_H

#include <pthread.h>

#include "sender.h"
#include "transport.h"

struct xl_streams {
    struct xl_sender *sender;
    enum xl_transport_kind kind;
    char *command;        /* connects any of them; NULL: there are none */
    pthread_mutex_t lock; /* one at a time connects: ssh may ask something */
    struct xl_transport transports[LIBXL_LIVE_MIGRATE_MAX_STREAMS];
};

#define XL_STREAMS_NONE \
    ((struct xl_streams){.lock = PTHREAD_MUTEX_INITIALIZER})

/* Have the library connect as many streams as the option says; without the
 * option as many as this host can use.  0, or -1 with a message on stderr. */
int xl_streams_want(struct xl_streams *streams, struct xl_sender *sender);
/* Call when the migration is over.  Harmless when there are none. */
void xl_streams_end(struct xl_streams *streams);

#endif
