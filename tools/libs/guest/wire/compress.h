/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Contents of pages, compressed before they are sent.
 */
#ifndef XLM_COMPRESS_H
#define XLM_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "policy/compression.h"

/* One for each thread that sends pages. */
struct xlm_compressor;

/* NULL: no memory. */
struct xlm_compressor *xlm_compressor_open(enum xlm_compress wanted);
void xlm_compressor_close(struct xlm_compressor *compressor);

/* What xlm_compressor_begin() says about a batch, to be told to end(). */
struct xlm_compressor_turn {
    uint64_t octets;   /* of contents */
    uint64_t began_us; /* by the clock */
};

/*
 * A batch of these contents is about to be sent.  True: send *frame, which is
 * smaller, in their place; it is valid until the next call.  The contents may
 * be written to by the guest meanwhile: the frame then has any mixture, as
 * what is sent as it is.
 */
bool xlm_compressor_begin(struct xlm_compressor *compressor,
                          const struct iovec *runs, size_t nr_runs,
                          struct iovec *frame,
                          struct xlm_compressor_turn *turn);
/* The batch was sent. */
void xlm_compressor_end(struct xlm_compressor *compressor,
                        const struct xlm_compressor_turn *turn);

#endif
