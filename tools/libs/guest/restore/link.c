/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long a silent connection counts as alive, from the go on.
 */
#include "restore/link.h"

#include "clock.h"

/* Silence matters only while the guest waits for a page; but a source that
 * does not even say that it is alive is gone. */
static bool may_be_silent(void *data)
{
    struct xlm_restorer *restorer = data;
    uint64_t timeout_us = restorer->params->link_timeout_ms * 1000ull;
    uint64_t since_us = xlm_pager_waiting_since(restorer->pager);
    uint64_t pages_us = atomic_load(&restorer->signs.pages_us);
    uint64_t heard_us = atomic_load(&restorer->signs.heard_us);
    uint64_t now_us = xlm_now_us();

    if (since_us && since_us < pages_us) {
        since_us = pages_us;
    }
    if (now_us - heard_us < XLM_SILENCE_MS * 1000ull &&
        (!since_us || !timeout_us || now_us - since_us < timeout_us)) {
        return true;
    }
    atomic_store(&restorer->signs.lost, true);
    return false;
}

void xlm_restore_set_link_timeout(struct xlm_restorer *restorer)
{
    uint32_t timeout_ms = restorer->params->link_timeout_ms;

    atomic_store(&restorer->signs.heard_us, xlm_now_us());
    atomic_store(&restorer->signs.pages_us, xlm_now_us());
    atomic_store(&restorer->signs.lost, false);
    restorer->channel.may_be_silent = may_be_silent;
    restorer->channel.silence_data = restorer;
    restorer->channel.idle_ms =
        xlm_channel_look_ms(timeout_ms ? timeout_ms : XLM_SILENCE_MS);
    /* If no other connection can come, keep this one whatever happens. */
    if (!restorer->params->relink) {
        restorer->channel.idle_ms = -1;
    }
}
