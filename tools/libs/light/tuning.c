/*
 * A caller's tunables, as the guest layer wants them.
 */
#include "tuning.h"

const char *lm_check_window(const libxl_live_migrate_params *params)
{
    return params->window_before == UINT32_MAX &&
                   params->window_after == UINT32_MAX
               ? "the push has to go on somewhere: a window before or after a "
                 "fault, or no push"
               : NULL;
}

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

void lm_tune(struct xlm_save_params *out,
             const libxl_live_migrate_params *params)
{
    set_hot_pages(params, out);
    if (params->window_before) {
        out->window_before =
            params->window_before == UINT32_MAX ? 0 : params->window_before;
    }
    if (params->window_after) {
        out->window_after =
            params->window_after == UINT32_MAX ? 0 : params->window_after;
    }
    if (params->credit_pages) {
        out->credit_pages = params->credit_pages;
    }
    out->no_push = params->no_background_push;
}
