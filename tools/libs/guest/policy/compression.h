/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whether pages are compressed before they are sent: chosen by measuring, for
 * each thread that sends.
 *
 * Compressing pays when the wire is the limit, and the thread that sends waits
 * for longer than compressing takes.  So the object first sends pages as they
 * are, measures that, and compresses a sample.  When the two together promise
 * a gain the object tries for some spans of time; when the trial shows the
 * gain, the object keeps compressing.  Each trial that fails doubles the time
 * to the next one.
 *
 * Pure: no clock, no memory, one thread at a time.
 */
#ifndef XLM_COMPRESSION_H
#define XLM_COMPRESSION_H

#include <stdbool.h>
#include <stdint.h>

enum xlm_compress {
    XLM_COMPRESS_OFF = 0,
    XLM_COMPRESS_AUTO = 1, /* by measuring */
    XLM_COMPRESS_ZSTD = 2, /* all that gets smaller */
};

/* A rate is measured for at least this long. */
#define XLM_COMPRESSION_SPAN_US 300000
/* A time without sending ends the span: no rate comes of it. */
#define XLM_COMPRESSION_IDLE_US 500000
/* Spans in which a trial must show a gain: a push window needs some round
 * trips to grow. */
#define XLM_COMPRESSION_TRIALS 4
/* Between two samples, or two looks at how it goes without: at first, and at
 * most. */
#define XLM_COMPRESSION_PAUSE_US 2000000
#define XLM_COMPRESSION_PAUSE_MOST_US 64000000
/* A batch that keeps more than this part of its octets is poor: not worth what
 * it costs the reader. */
#define XLM_COMPRESSION_POOR_SIXTEENTHS 15
/* Batches that are sent as they are after one that did not get smaller, at
 * most. */
#define XLM_COMPRESSION_SKIP_MOST 32

enum xlm_compression_state {
    XLM_COMPRESSION_PLAIN,
    XLM_COMPRESSION_TRIAL,
    XLM_COMPRESSION_ON,
    XLM_COMPRESSION_LOOK, /* a span without, to compare */
};

/* What to do with a batch. */
enum xlm_compression_turn {
    XLM_COMPRESSION_AS_IS,
    XLM_COMPRESSION_COMPRESS,
    XLM_COMPRESSION_SAMPLE, /* compress a part, and send it as it is */
};

struct xlm_compression {
    enum xlm_compress wanted;
    enum xlm_compression_state state;
    /* The span: since when, the thread's processor time then, and the octets
     * of contents since. */
    bool in_span;
    uint64_t span_us;
    uint64_t span_cpu_us;
    uint64_t span_octets;
    uint64_t last_us; /* when the last sending ended ... */
    uint64_t last_cpu_us;
    /* Octets of contents a second. */
    uint64_t plain_rate;
    uint64_t rate; /* compressed */
    /* The sample of this span. */
    uint64_t sample_octets; /* 0: none */
    uint64_t sample_smaller;
    uint64_t sample_us;
    uint64_t next_us; /* the next sample, or look */
    uint64_t pause_us;
    unsigned int trials;
    unsigned int skip;      /* batches to send as they are ... */
    unsigned int skip_next; /* ... and after the next poor one */
};

void xlm_compression_init(struct xlm_compression *compression,
                          enum xlm_compress wanted);
/* What to do with the next batch; `now_us` by any clock that never goes
 * back. */
enum xlm_compression_turn xlm_compression_turn(
    struct xlm_compression *compression, uint64_t now_us);
/* `octets` of contents became `smaller` in `us` of processor time. */
void xlm_compression_done(struct xlm_compression *compression, uint64_t octets,
                          uint64_t smaller, uint64_t us);
/* A batch with `octets` of contents was sent from began_us to now_us, however
 * it was sent; cpu_us: the processor time of the thread so far. */
void xlm_compression_sent(struct xlm_compression *compression, uint64_t octets,
                          uint64_t began_us, uint64_t now_us, uint64_t cpu_us);

#endif
