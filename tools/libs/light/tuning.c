/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A caller's parameters, converted for the guest layer.
 */
#include "tuning.h"

static void set_hot_pages(const libxl_live_migrate_params *from,
                          struct xlm_save_params *to)
{
    if (from->hot_pages_max == LIBXL_LIVE_MIGRATE_NO_HOT_PAGES) {
        to->hot_pages_max = 0;
    } else if (from->hot_pages_max) {
        to->hot_pages_max = from->hot_pages_max < UINT32_MAX
                                ? from->hot_pages_max
                                : UINT32_MAX;
    }
}

static void set_window(uint32_t *to, uint32_t from)
{
    if (from) {
        *to = from == UINT32_MAX ? 0 : from;
    }
}

uint32_t lm_timeout_ms(uint64_t seconds)
{
    return seconds < UINT32_MAX / 1000 ? (uint32_t)seconds * 1000 : UINT32_MAX;
}

void lm_tune(struct xlm_save_params *out,
             const libxl_live_migrate_params *params)
{
    set_hot_pages(params, out);
    set_window(&out->window_before, params->window_before);
    set_window(&out->window_after, params->window_after);
    out->window_adapts = !params->window_before && !params->window_after;
    if (params->credit_pages) {
        out->credit_pages = params->credit_pages;
    }
    out->no_push = params->no_background_push;
    out->push_recent =
        params->push_order == LIBXL_LIVE_MIGRATE_PUSH_ORDER_RECENT;
    out->link_timeout_ms = lm_timeout_ms(params->link_timeout);
}
