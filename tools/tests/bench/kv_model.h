/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a store of keys and values must hold: a model that takes five octets a
 * key, because each value follows from key and version.  Pure.
 */
#ifndef BENCH_KV_MODEL_H
#define BENCH_KV_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value is this text again and again, so that any part of a value tells
 * where it belongs. */
#define KV_PIECE_FORMAT "key %08u version %010u "
#define KV_PIECE 32
#define KV_NAME_FORMAT "key:%08u"

enum kv_verdict {
    KV_RIGHT,
    KV_LOST,      /* missing, or older than a write that was acknowledged */
    KV_UNWRITTEN, /* a version that was not written yet */
    KV_MISPLACED, /* the whole value of another key */
    KV_CORRUPT,   /* no key's value: another length, or parts of several */
};

struct kv_model {
    uint32_t keys;
    size_t size;        /* of each value, octets */
    uint32_t *versions; /* the last one that was acknowledged */
    bool *doubtful;     /* one more was sent, and its answer never came */
    char *value;        /* kv_model_value() puts it here */
};

/* All keys have version 0.  `size` is a multiple of KV_PIECE.  0, or -1 with
 * errno; kv_model_dispose() after either. */
int kv_model_init(struct kv_model *model, uint32_t keys, size_t size);
void kv_model_dispose(struct kv_model *model);

/* The value of that version; good until the next call with this model. */
const char *kv_model_value(struct kv_model *model, uint32_t key,
                           uint32_t version);

/* The version that a write sends next. */
uint32_t kv_model_next(const struct kv_model *model, uint32_t key);

/* The write of kv_model_next() was acknowledged. */
void kv_model_wrote(struct kv_model *model, uint32_t key);

/* The answer to the write of kv_model_next() will not come: the store has that
 * write or it does not. */
void kv_model_doubt(struct kv_model *model, uint32_t key);

/* Judge the value that a read gave; NULL: the store has no such key.  A right
 * value ends a doubt. */
enum kv_verdict kv_model_check(struct kv_model *model, uint32_t key,
                               const char *value, size_t length);

const char *kv_verdict_name(enum kv_verdict verdict);

#endif
