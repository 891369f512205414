/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of a further connection.
 */
#include "restore/further.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "restore/pages.h"
#include "restore/stats.h"

void xlm_further_reader_init(struct xlm_further_reader *reader,
                             struct xlm_restorer *restorer,
                             const struct xlm_further_kind *kind)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;

    *reader = (struct xlm_further_reader){
        .kind = kind,
        .restorer = restorer,
        .ctx = fresh,
        .channel = XLM_CHANNEL_CLOSED,
        .record = XLM_RECORD_EMPTY,
        .expander = XLM_EXPANDER_EMPTY,
    };
    reader->ctx.logger = restorer->ctx->logger;
    reader->ctx.hypervisor = restorer->ctx->hypervisor;
    xlm_restore_lend_contents(&reader->ctx, &reader->record);
    xlm_restore_lend_expanded(&reader->ctx, &reader->expander);
}

void xlm_further_reader_warn(const struct xlm_further_reader *reader)
{
    xtl_log(reader->ctx.logger, XTL_WARN, -1, "xlm",
            "%s of domain %" PRIu32 " is lost: %s (%s)", reader->name,
            reader->restorer->domain.domid, reader->kind->consequence,
            reader->ctx.reason);
}

/* ---- the thread ---- */

int xlm_further_reader_pay_all(struct xlm_further_reader *reader)
{
    const struct xlm_wire_credit credit = {.pages = reader->owed};

    if (!credit.pages) {
        return 0;
    }
    reader->owed = 0;
    return xlm_write_simple_record(&reader->ctx, &reader->channel,
                                   XLM_REC_POSTCOPY_CREDIT, &credit,
                                   sizeof(credit));
}

static int take_pages(struct xlm_further_reader *reader)
{
    struct xlm_restorer *restorer = reader->restorer;
    uint32_t pages;

    if (xlm_read_record(&reader->ctx, &reader->channel, XLM_READ_CHANNEL,
                        &reader->record) ||
        xlm_restore_bring_in(restorer, &reader->ctx, &reader->record,
                             &reader->expander, &pages)) {
        return -1;
    }
    reader->pages += pages;
    reader->owed += pages;
    atomic_store(&restorer->signs.pages_us, xlm_now_us());
    if (xlm_restore_tell_stats(restorer)) {
        xlm_channel_stop(&restorer->channel);
    }
    return reader->kind->pay(reader, pages);
}

static int end(struct xlm_further_reader *reader)
{
    reader->ended = true;
    xlm_channel_stop(&reader->channel);
    return reader->kind->end(reader);
}

/* If the first connection cannot be written to either, its reader will
 * notice. */
static void *run(void *data)
{
    struct xlm_further_reader *reader = data;

    while (!take_pages(reader)) {
        continue;
    }
    if (!atomic_load(&reader->stopping)) {
        xlm_further_reader_warn(reader);
        if (end(reader)) {
            xlm_channel_stop(&reader->restorer->channel);
        }
    }
    return NULL;
}

/* ---- the caller's thread ---- */

int xlm_further_reader_open(struct xlm_further_reader *reader, int in_fd,
                            int out_fd)
{
    return xlm_channel_open(&reader->channel, in_fd, out_fd, -1)
               ? xlm_fail(&reader->ctx, "cannot use it: %s", strerror(errno))
               : 0;
}

int xlm_further_reader_start(struct xlm_further_reader *reader)
{
    int error = pthread_create(&reader->thread, NULL, run, reader);

    if (error) {
        return xlm_fail(&reader->ctx, "cannot start a thread: %s",
                        strerror(error));
    }
    reader->runs = true;
    return 0;
}

void xlm_further_reader_stop(struct xlm_further_reader *reader)
{
    if (reader->runs) {
        atomic_store(&reader->stopping, true);
        xlm_channel_stop(&reader->channel);
        pthread_join(reader->thread, NULL);
        reader->runs = false;
    }
}

int xlm_further_reader_take_lost(struct xlm_further_reader *reader)
{
    xlm_further_reader_stop(reader);
    if (reader->ended) {
        return 0;
    }
    xlm_note_failure(&reader->ctx, "the source has lost it");
    xlm_further_reader_warn(reader);
    return end(reader);
}

void xlm_further_reader_close(struct xlm_further_reader *reader)
{
    xlm_further_reader_stop(reader);
    xlm_channel_close(&reader->channel);
    xlm_restore_dispose_record(&reader->ctx, &reader->record);
    xlm_restore_dispose_expander(&reader->ctx, &reader->expander);
}
