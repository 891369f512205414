/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a store of keys and values must hold.
 */
#include "kv_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kv_model_init(struct kv_model *model, uint32_t keys, size_t size)
{
    *model = (struct kv_model){
        .keys = keys,
        .size = size,
        .versions = calloc(keys, sizeof(*model->versions)),
        .doubtful = calloc(keys, sizeof(*model->doubtful)),
        .value = malloc(size + 1),
    };
    return model->versions && model->doubtful && model->value ? 0 : -1;
}

void kv_model_dispose(struct kv_model *model)
{
    free(model->versions);
    free(model->doubtful);
    free(model->value);
}

const char *kv_model_value(struct kv_model *model, uint32_t key,
                           uint32_t version)
{
    size_t done;

    snprintf(model->value, model->size + 1, KV_PIECE_FORMAT, key, version);
    for (done = KV_PIECE; done < model->size; done += KV_PIECE) {
        memcpy(model->value + done, model->value, KV_PIECE);
    }
    return model->value;
}

uint32_t kv_model_next(const struct kv_model *model, uint32_t key)
{
    return model->versions[key] + 1;
}

void kv_model_wrote(struct kv_model *model, uint32_t key)
{
    model->versions[key]++;
    model->doubtful[key] = false;
}

void kv_model_doubt(struct kv_model *model, uint32_t key)
{
    model->doubtful[key] = true;
}

static bool is_value(struct kv_model *model, uint32_t key, uint32_t version,
                     const char *value)
{
    return !memcmp(kv_model_value(model, key, version), value, model->size);
}

/* What is wrong with a value that is not the right one. */
static enum kv_verdict judge(struct kv_model *model, uint32_t key,
                             const char *value, size_t length)
{
    unsigned int found_key, version;
    char piece[KV_PIECE + 1] = "";

    if (length != model->size) {
        return KV_CORRUPT;
    }
    memcpy(piece, value, KV_PIECE);
    if (sscanf(piece, "key %8u version %10u ", &found_key, &version) != 2 ||
        !is_value(model, found_key, version, value)) {
        return KV_CORRUPT;
    }
    if (found_key != key) {
        return KV_MISPLACED;
    }
    return version < model->versions[key] ? KV_LOST : KV_UNWRITTEN;
}

enum kv_verdict kv_model_check(struct kv_model *model, uint32_t key,
                               const char *value, size_t length)
{
    if (!value) {
        return KV_LOST;
    }
    if (length == model->size) {
        if (model->doubtful[key] &&
            is_value(model, key, kv_model_next(model, key), value)) {
            kv_model_wrote(model, key);
            return KV_RIGHT;
        }
        if (is_value(model, key, model->versions[key], value)) {
            model->doubtful[key] = false;
            return KV_RIGHT;
        }
    }
    return judge(model, key, value, length);
}

const char *kv_verdict_name(enum kv_verdict verdict)
{
    static const char *const names[] = {
        [KV_RIGHT] = "right",         [KV_LOST] = "lost",
        [KV_UNWRITTEN] = "unwritten", [KV_MISPLACED] = "misplaced",
        [KV_CORRUPT] = "corrupt",
    };

    return names[verdict];
}
