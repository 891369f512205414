/* SPDX-License-Identifier: LGPL-2.1-or-later
 * In which forms pages go to the destination.
 */
#include "save/features.h"

#include <string.h>

void xlm_save_take_features(struct xlm_saver *saver)
{
    struct xlm_wire_features wire;

    memcpy(&wire, saver->record.body, sizeof(wire));
    saver->features = wire.features;
}

struct xlm_compressor *xlm_save_open_compressor(struct xlm_saver *saver)
{
    enum xlm_compress wanted = saver->params->compress;

    return wanted != XLM_COMPRESS_OFF &&
                   (saver->features & XLM_FEATURE_COMPRESSED)
               ? xlm_compressor_open(wanted)
               : NULL;
}

void xlm_save_begin_forms(struct xlm_saver *saver)
{
    if (saver->params->compress == XLM_COMPRESS_ZSTD &&
        !(saver->features & XLM_FEATURE_COMPRESSED)) {
        xtl_log(saver->ctx->logger, XTL_WARN, -1, "xlm",
                "nothing is compressed: the destination has a version of this "
                "software that does not expand pages");
    }
    saver->compressor = xlm_save_open_compressor(saver);
}

struct xlm_page_batch_form xlm_save_form(const struct xlm_saver *saver,
                                         struct xlm_compressor *compressor)
{
    return (struct xlm_page_batch_form){
        .zeroes = xlm_two_way(saver),
        .repeated = saver->features & XLM_FEATURE_REPEATED,
        .compressor = compressor,
    };
}

struct xlm_page_batch_form xlm_save_push_form(
    const struct xlm_saver *saver, enum xlm_push_kind kind,
    struct xlm_compressor *compressor)
{
    return xlm_save_form(saver,
                         kind == XLM_PUSH_REQUESTED ? NULL : compressor);
}

void xlm_save_add_forms(struct xlm_save_forms *forms,
                        const struct xlm_page_batch *batch)
{
    forms->zeroes += batch->nr_zeroes;
    forms->repeated += batch->nr_repeated;
    forms->compressed += batch->nr_compressed;
    forms->compressed_octets += batch->compressed_octets;
}

void xlm_save_count_forms(struct xlm_save_forms *forms,
                          struct xlm_stats *stats)
{
    stats->zero_pages += forms->zeroes;
    stats->repeated_pages += forms->repeated;
    stats->compressed_pages += forms->compressed;
    stats->compressed_bytes += forms->compressed_octets;
    *forms = (struct xlm_save_forms){.zeroes = 0};
}
