/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Our side of the libxl migration stream, version 2: see
 * docs/specs/libxl-migration-stream.pandoc.
 */
#ifndef LM_STREAM_H
#define LM_STREAM_H

#include <stdint.h>

#include "wire/channel.h"
#include "xlm.h"

enum lm_record_type {
    LM_REC_END = 0,
    LM_REC_LIBXC_CONTEXT = 1,
    LM_REC_EMULATOR_XENSTORE_DATA = 2,
    LM_REC_EMULATOR_CONTEXT = 3,
    LM_REC_CHECKPOINT_END = 4,
    LM_REC_CHECKPOINT_STATE = 5,
    /* Ours: the stream goes back to libxc, which goes on with postcopy. */
    LM_REC_POSTCOPY_TRANSITION_END = 6,
};

/* The header and the LIBXC_CONTEXT record, after which libxc writes. */
#define LM_PROLOGUE_SIZE 24u

void lm_make_prologue(uint8_t prologue[LM_PROLOGUE_SIZE]);

/* These return 0, or -1 with the reason in the context. */
int lm_write_prologue(struct xlm_context *xlm, int fd);
int lm_read_prologue(struct xlm_context *xlm, int fd);

/*
 * Make an EMULATOR_CONTEXT record with the state of libxl's QEMU; the caller
 * must free it.  NULL: no memory, or the state is too long.
 */
void *lm_make_emulator_context(struct xlm_context *xlm, const void *state,
                               size_t state_length, size_t *length);

/* A record that was read. */
struct lm_record {
    uint32_t type;
    uint32_t length; /* of the body */
    /* From the header to the end of the padding; malloc'ed. */
    uint8_t *octets;
    size_t total;
};

/* Read the next record that may stand among the devices' records.  A type or
 * length that may not is refused before any of the body is read.  The caller
 * must dispose of the record once, also after failure. */
int lm_read_record(struct xlm_context *xlm, struct xlm_channel *channel,
                   struct lm_record *record);
void lm_record_dispose(struct lm_record *record);

/* Find the device model's state in an EMULATOR_CONTEXT; *state points into the
 * record. */
int lm_parse_emulator_context(struct xlm_context *xlm,
                              const struct lm_record *record,
                              const void **state, size_t *length);

/* Are these octets exactly one EMULATOR_CONTEXT for libxl's QEMU?  0, or -1
 * with a reason. */
int lm_check_devices(struct xlm_context *xlm, const void *octets,
                     size_t length);

/* Write an END or a POSTCOPY_TRANSITION_END. */
int lm_write_empty_record(struct xlm_context *xlm, struct xlm_channel *channel,
                          enum lm_record_type type);

#endif
