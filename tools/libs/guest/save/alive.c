/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source until the go: does the destination live, and does it know that
 * the source lives?
 */
#include "save/alive.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "save/features.h"

static void note_heard(struct xlm_saver *saver)
{
    pthread_mutex_lock(&saver->heard.lock);
    saver->heard.us = xlm_now_us();
    pthread_mutex_unlock(&saver->heard.lock);
}

/* The destination takes nothing, or sends nothing; but it may have said that
 * it lives, unread so far.  From any thread that uses the channel. */
static bool may_be_silent(void *data)
{
    struct xlm_saver *saver = data;
    uint64_t now_us = xlm_now_us();
    int unread = 0;
    bool may;

    (void)ioctl(saver->channel.in_fd, FIONREAD, &unread);
    pthread_mutex_lock(&saver->heard.lock);
    if (unread != saver->heard.unread) {
        saver->heard.unread = unread;
        saver->heard.us = now_us;
    }
    may = now_us - saver->heard.us < saver->params->silence_ms * 1000ull;
    pthread_mutex_unlock(&saver->heard.lock);
    return may;
}

/* Until the guest is suspended: in the stop a sign of life is not enough. */
void xlm_save_keep_alive(struct xlm_saver *saver)
{
    struct xlm_channel *channel = &saver->channel;

    note_heard(saver);
    channel->may_be_silent = may_be_silent;
    channel->silence_data = saver;
    channel->idle_ms = xlm_channel_look_ms(saver->params->silence_ms);
    saver->keepalive =
        xlm_keepalive_start(saver->ctx, channel, XLM_REC_POSTCOPY_SRC_ALIVE,
                            saver->params->keepalive_ms);
}

int xlm_save_stop_keeping_alive(struct xlm_saver *saver)
{
    xlm_keepalive_stop(&saver->keepalive);
    saver->channel.may_be_silent = NULL;
    saver->channel.idle_ms = saver->params->silence_ms;
    return 0;
}

int xlm_save_check_heard(struct xlm_saver *saver)
{
    xlm_keepalive_step(saver->keepalive);
    if (!saver->channel.may_be_silent || may_be_silent(saver)) {
        return 0;
    }
    errno = ETIMEDOUT;
    return xlm_fail_on_channel(saver->ctx, "preparing");
}

/* A destination that only says that it lives is not believed for ever, however
 * many signs of life wait to be read: for this many of its periods; and in the
 * stop, when it no longer says so, for as long as for one that is silent. */
#define ALIVE_PERIODS 256

int xlm_save_read_one(struct xlm_saver *saver, enum xlm_reader_state state,
                      bool *answer)
{
    note_heard(saver);
    if (xlm_read_record(saver->ctx, &saver->channel, state, &saver->record)) {
        return -1;
    }
    *answer = false;
    if (saver->record.type == XLM_REC_POSTCOPY_EVICT_TIME) {
        memcpy(&saver->evicting.took, saver->record.body,
               sizeof(saver->evicting.took));
    } else if (saver->record.type == XLM_REC_POSTCOPY_FEATURES) {
        xlm_save_take_features(saver);
    } else {
        *answer = saver->record.type != XLM_REC_POSTCOPY_DST_ALIVE;
    }
    return 0;
}

static uint64_t patience_us(const struct xlm_saver *saver,
                            enum xlm_reader_state state)
{
    uint64_t period_ms = saver->params->keepalive_ms;

    if (state == XLM_READ_READY) {
        return saver->params->silence_ms * 1000ull;
    }
    return (period_ms ? period_ms : XLM_KEEPALIVE_MS) * 1000 * ALIVE_PERIODS;
}

int xlm_save_read_answer(struct xlm_saver *saver, enum xlm_reader_state state)
{
    uint64_t until_us = xlm_now_us() + patience_us(saver, state);

    do {
        bool answer;

        if (xlm_save_read_one(saver, state, &answer)) {
            return -1;
        }
        if (answer) {
            return 0;
        }
    } while (xlm_now_us() < until_us);
    errno = ETIMEDOUT;
    return xlm_fail(saver->ctx, "the destination says that it is alive, but "
                                "makes no progress: see its log");
}
