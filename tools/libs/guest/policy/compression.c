/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whether pages are compressed before they are sent.
 */
#include "policy/compression.h"

/* A gain counts from a tenth on: less could be chance. */
#define GAIN_TENTHS 11
/* A thread that is busy for this part of the time may be what limits. */
#define BUSY_EIGHTHS 7

#define MIB (UINT64_C(1) << 20)

void xlm_compression_init(struct xlm_compression *compression,
                          enum xlm_compress wanted)
{
    *compression = (struct xlm_compression){
        .wanted = wanted,
        .state = wanted == XLM_COMPRESS_ZSTD ? XLM_COMPRESSION_ON
                                             : XLM_COMPRESSION_PLAIN,
        .pause_us = XLM_COMPRESSION_PAUSE_US,
    };
}

enum xlm_compression_turn xlm_compression_turn(
    struct xlm_compression *compression, uint64_t now_us)
{
    if (compression->wanted == XLM_COMPRESS_OFF ||
        compression->state == XLM_COMPRESSION_LOOK) {
        return XLM_COMPRESSION_AS_IS;
    }
    if (compression->state == XLM_COMPRESSION_PLAIN) {
        return !compression->sample_octets && now_us >= compression->next_us
                   ? XLM_COMPRESSION_SAMPLE
                   : XLM_COMPRESSION_AS_IS;
    }
    if (compression->skip) {
        compression->skip--;
        return XLM_COMPRESSION_AS_IS;
    }
    return XLM_COMPRESSION_COMPRESS;
}

static bool is_poor(uint64_t octets, uint64_t smaller)
{
    return smaller * 16 > octets * XLM_COMPRESSION_POOR_SIXTEENTHS;
}

void xlm_compression_done(struct xlm_compression *compression, uint64_t octets,
                          uint64_t smaller, uint64_t us)
{
    compression->sample_octets = octets;
    compression->sample_smaller = smaller;
    compression->sample_us = us;
    if (!is_poor(octets, smaller)) {
        compression->skip_next = 0;
        return;
    }
    compression->skip_next =
        compression->skip_next ? 2 * compression->skip_next : 1;
    if (compression->skip_next > XLM_COMPRESSION_SKIP_MOST) {
        compression->skip_next = XLM_COMPRESSION_SKIP_MOST;
    }
    compression->skip = compression->skip_next;
}

static bool is_gain(uint64_t rate, uint64_t over)
{
    return rate * 10 >= over * GAIN_TENTHS;
}

/*
 * Would it be faster compressed?  The thread then needs its processor for what
 * it did so far, and for compressing; and the wire, if that is the limit,
 * takes what it took, made smaller.  The longer of the two counts.
 */
static bool is_promising(const struct xlm_compression *compression,
                         uint64_t rate, uint64_t us, uint64_t busy_us)
{
    uint64_t plain_us = MIB * 1000000 / (rate ? rate : 1);
    uint64_t wire_us =
        plain_us * compression->sample_smaller / compression->sample_octets;
    uint64_t cpu_us = plain_us * busy_us / us + MIB * compression->sample_us /
                                                    compression->sample_octets;
    uint64_t longer_us = wire_us > cpu_us ? wire_us : cpu_us;

    return longer_us * GAIN_TENTHS <= plain_us * 10;
}

static void wait_longer(struct xlm_compression *compression, uint64_t now_us)
{
    compression->next_us = now_us + compression->pause_us;
    if (compression->pause_us < XLM_COMPRESSION_PAUSE_MOST_US) {
        compression->pause_us *= 2;
    }
}

static void enter(struct xlm_compression *compression,
                  enum xlm_compression_state state)
{
    compression->state = state;
    compression->trials = 0;
    compression->skip = compression->skip_next = 0;
}

static void end_plain(struct xlm_compression *compression, uint64_t rate,
                      uint64_t us, uint64_t busy_us, uint64_t now_us)
{
    compression->plain_rate = rate;
    if (!compression->sample_octets) {
        return;
    }
    if (is_promising(compression, rate, us, busy_us)) {
        enter(compression, XLM_COMPRESSION_TRIAL);
    } else {
        wait_longer(compression, now_us);
    }
}

static void end_trial(struct xlm_compression *compression, uint64_t rate,
                      uint64_t now_us)
{
    if (is_gain(rate, compression->plain_rate)) {
        enter(compression, XLM_COMPRESSION_ON);
        compression->pause_us = XLM_COMPRESSION_PAUSE_US;
        compression->rate = rate;
        wait_longer(compression, now_us);
    } else if (++compression->trials >= XLM_COMPRESSION_TRIALS) {
        enter(compression, XLM_COMPRESSION_PLAIN);
        wait_longer(compression, now_us);
    }
}

/* The wire may carry more than before: it does not show while the thread is
 * the limit. */
static void end_on(struct xlm_compression *compression, uint64_t rate,
                   uint64_t us, uint64_t busy_us, uint64_t now_us)
{
    compression->rate = rate;
    if (compression->wanted == XLM_COMPRESS_AUTO &&
        busy_us * 8 >= us * BUSY_EIGHTHS && now_us >= compression->next_us) {
        enter(compression, XLM_COMPRESSION_LOOK);
    }
}

static void end_look(struct xlm_compression *compression, uint64_t rate,
                     uint64_t now_us)
{
    compression->plain_rate = rate;
    enter(compression, is_gain(compression->rate, rate)
                           ? XLM_COMPRESSION_ON
                           : XLM_COMPRESSION_PLAIN);
    wait_longer(compression, now_us);
}

static void end_span(struct xlm_compression *compression, uint64_t now_us,
                     uint64_t cpu_us)
{
    uint64_t us = now_us - compression->span_us;
    uint64_t busy_us = cpu_us - compression->span_cpu_us;
    uint64_t rate = compression->span_octets * 1000000 / us;

    compression->in_span = false;
    switch (compression->state) {
    case XLM_COMPRESSION_PLAIN:
        end_plain(compression, rate, us, busy_us, now_us);
        break;
    case XLM_COMPRESSION_TRIAL:
        end_trial(compression, rate, now_us);
        break;
    case XLM_COMPRESSION_ON:
        end_on(compression, rate, us, busy_us, now_us);
        break;
    case XLM_COMPRESSION_LOOK:
        end_look(compression, rate, now_us);
        break;
    }
    compression->sample_octets = 0;
}

/* A span begins with the end of the sending before it, whose octets wait in
 * buffers as those of this one will. */
static void begin_span(struct xlm_compression *compression, uint64_t began_us,
                       uint64_t cpu_us)
{
    bool follows = compression->last_us &&
                   cpu_us >= compression->last_cpu_us &&
                   began_us - compression->last_us < XLM_COMPRESSION_IDLE_US;

    compression->in_span = true;
    compression->span_us = follows ? compression->last_us : began_us;
    compression->span_cpu_us = follows ? compression->last_cpu_us : cpu_us;
    compression->span_octets = 0;
}

void xlm_compression_sent(struct xlm_compression *compression, uint64_t octets,
                          uint64_t began_us, uint64_t now_us, uint64_t cpu_us)
{
    /* Another thread may send for a while: its time is another one. */
    if (!compression->in_span || cpu_us < compression->last_cpu_us ||
        began_us - compression->last_us >= XLM_COMPRESSION_IDLE_US) {
        begin_span(compression, began_us, cpu_us);
    }
    compression->span_octets += octets;
    compression->last_us = now_us;
    compression->last_cpu_us = cpu_us;
    if (now_us - compression->span_us >= XLM_COMPRESSION_SPAN_US) {
        end_span(compression, now_us, cpu_us);
    }
}
