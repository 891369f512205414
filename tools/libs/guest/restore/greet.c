/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Another connection, before it is known which migration it belongs to: its
 * first record, and the answer if no process receives that migration.
 */
#include "xlm.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "wire/record.h"

/* A source that connects for a recovery says at once what the connection is
 * for: all of that record must come within this time. */
#define RECOVER_SECONDS 30

/* The other fields of the three records are the same. */
_Static_assert(offsetof(struct xlm_wire_stream, pfns) ==
                   offsetof(struct xlm_wire_recover, pfns),
               "wire");

static int find_errand(struct xlm_context *ctx,
                       const struct xlm_record *record,
                       struct xlm_errand *errand)
{
    const struct xlm_wire_stream *stream = record->body;

    *errand = (struct xlm_errand){.purpose = XLM_FOR_RECOVERY};
    if (record->type == XLM_REC_POSTCOPY_CHANNEL) {
        errand->purpose = XLM_FOR_FAULTS;
    } else if (record->type == XLM_REC_POSTCOPY_STREAM) {
        errand->purpose = XLM_FOR_STREAM;
        errand->stream = stream->index;
        if (!stream->index || stream->index >= XLM_STREAMS_MOST) {
            errno = EPROTO;
            return xlm_fail(ctx,
                            "bad migration stream: stream %" PRIu32
                            ", of which there are %u at most",
                            stream->index, XLM_STREAMS_MOST);
        }
    }
    return 0;
}

int xlm_read_recover(struct xlm_context *ctx, int in_fd,
                     struct xlm_identity *identity, struct xlm_errand *errand)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    struct xlm_record record = XLM_RECORD_EMPTY;
    const struct xlm_wire_recover *recover;
    int rc;

    if (xlm_open_connection(ctx, &channel, in_fd, -1)) {
        return -1;
    }
    channel.deadline_us = xlm_now_us() + RECOVER_SECONDS * UINT64_C(1000000);
    rc = xlm_read_record(ctx, &channel, XLM_READ_RECOVER, &record);
    recover = record.body;
    if (!rc && recover->version != XLM_RECOVER_VERSION) {
        errno = EPROTO;
        rc = xlm_fail(ctx,
                      "the source asks for version %" PRIu32 " of recovering, "
                      "this host has %u: install the same version on both",
                      recover->version, XLM_RECOVER_VERSION);
    } else if (!rc) {
        identity->pfns = recover->pfns;
        memcpy(identity->id, recover->id, sizeof(identity->id));
        memcpy(identity->uuid, recover->uuid, sizeof(identity->uuid));
        rc = find_errand(ctx, &record, errand);
    }
    xlm_record_dispose(&record);
    xlm_channel_close(&channel);
    return rc;
}

static int answer(struct xlm_context *ctx, int out_fd, uint32_t type,
                  uint32_t status, const char *text)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int rc;

    if (xlm_open_connection(ctx, &channel, -1, out_fd)) {
        return -1;
    }
    rc = xlm_write_answer(ctx, &channel, type, status, text);
    xlm_channel_close(&channel);
    return rc;
}

int xlm_answer_recover(struct xlm_context *ctx, int out_fd,
                       enum xlm_guest_state state, const char *text)
{
    return answer(ctx, out_fd, XLM_REC_POSTCOPY_STATE, state, text);
}

int xlm_answer_channel(struct xlm_context *ctx, int out_fd, const char *why)
{
    return answer(ctx, out_fd, XLM_REC_POSTCOPY_JOINED,
                  why ? XLM_REFUSED_OTHER : 0, why ? why : "");
}
