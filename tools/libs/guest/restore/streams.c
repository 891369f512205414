/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of the further streams: connections that pushed pages
 * come over besides the first one.
 *
 * A stream joins first; later the source says that it begins to use it.  When
 * a stream is lost, STREAM_END tells the source how many pages the stream has
 * brought, and the source sends the others over other connections.  The source
 * remembers requests, so none is repeated.
 */
#include "restore/streams.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "restore/further.h"
#include "restore/pages.h"

struct xlm_stream_reader {
    struct xlm_further_reader further;
    uint32_t index;
};

/* ---- a stream's thread ---- */

static int tell_end(struct xlm_restorer *restorer, uint32_t index,
                    uint64_t pages)
{
    const struct xlm_wire_stream_end end = {.index = index, .pages = pages};

    return xlm_write_simple_record(restorer->ctx, &restorer->channel,
                                   XLM_REC_POSTCOPY_STREAM_END, &end,
                                   sizeof(end));
}

static int end(struct xlm_further_reader *reader)
{
    const struct xlm_stream_reader *stream =
        (const struct xlm_stream_reader *)reader;

    return tell_end(reader->restorer, stream->index, reader->pages);
}

static int pay(struct xlm_further_reader *reader, uint32_t pages)
{
    return reader->owed < xlm_restore_credit_most(pages)
               ? 0
               : xlm_further_reader_pay_all(reader);
}

static int before_wait(void *data)
{
    return xlm_further_reader_pay_all(data);
}

static const struct xlm_further_kind kind = {
    .pay = pay,
    .end = end,
    .consequence = "its pages come over the other connections",
};

/* ---- the caller's thread ---- */

static struct xlm_stream_reader *new_reader(struct xlm_restorer *restorer,
                                            uint32_t index)
{
    struct xlm_stream_reader *stream = malloc(sizeof(*stream));

    if (stream) {
        xlm_further_reader_init(&stream->further, restorer, &kind);
        snprintf(stream->further.name, sizeof(stream->further.name),
                 "stream %" PRIu32, index);
        stream->index = index;
        stream->further.channel.before_wait = before_wait;
        stream->further.channel.wait_data = &stream->further;
    }
    return stream;
}

static int start(struct xlm_stream_reader *stream)
{
    const struct xlm_relink *relink = stream->further.restorer->params->relink;
    int in_fd, out_fd;

    if (!relink || !relink->take_stream ||
        relink->take_stream(stream->index, &in_fd, &out_fd, relink->data)) {
        return xlm_fail(&stream->further.ctx, "it has not joined");
    }
    return xlm_further_reader_open(&stream->further, in_fd, out_fd) ||
                   xlm_further_reader_start(&stream->further)
               ? -1
               : 0;
}

static int check_index(struct xlm_restorer *restorer, uint32_t *index)
{
    const struct xlm_wire_stream_index *body = restorer->record.body;

    *index = body->index;
    return *index && *index < XLM_STREAMS_MOST
               ? 0
               : xlm_restore_bad_stream(restorer, "an impossible stream");
}

/* If a stream cannot be used, its reader stays, marked as ended: a later
 * STREAM_LOST finds it. */
int xlm_restore_use_stream(struct xlm_restorer *restorer)
{
    struct xlm_stream_reader *stream;
    uint32_t index;

    if (check_index(restorer, &index)) {
        return -1;
    }
    if (restorer->streams[index]) {
        return xlm_restore_bad_stream(restorer, "STREAM_USE twice");
    }
    stream = new_reader(restorer, index);
    if (!stream) {
        return xlm_fail(restorer->ctx, "no memory for stream %" PRIu32, index);
    }
    restorer->streams[index] = stream;
    if (start(stream)) {
        xlm_further_reader_warn(&stream->further);
        stream->further.ended = true;
        return tell_end(restorer, index, 0);
    }
    return 0;
}

int xlm_restore_take_stream_lost(struct xlm_restorer *restorer)
{
    uint32_t index;

    if (check_index(restorer, &index)) {
        return -1;
    }
    if (!restorer->streams[index]) {
        return xlm_restore_bad_stream(restorer, "STREAM_LOST of one that is "
                                                "not in use");
    }
    return xlm_further_reader_take_lost(&restorer->streams[index]->further);
}

void xlm_restore_close_streams(struct xlm_restorer *restorer)
{
    const struct xlm_relink *relink = restorer->params->relink;

    for (uint32_t i = 0; i < XLM_STREAMS_MOST; i++) {
        if (restorer->streams[i]) {
            xlm_further_reader_close(&restorer->streams[i]->further);
            free(restorer->streams[i]);
            restorer->streams[i] = NULL;
        }
    }
    if (relink && relink->drop_streams) {
        relink->drop_streams(relink->data);
    }
}
