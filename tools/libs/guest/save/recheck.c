/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the source reads or decides early and uses late, and what happens if it
 * has changed by the stop.
 *
 * `rechecks` below is the one list of these.  If you make the source read
 * something while the guest runs and rely on it in the stop, add a row.  A row
 * either sends again what has changed, or ends the migration before the go:
 * then the guest runs on at the source.
 */
#include "save/recheck.h"

#include <errno.h>

#include "save/hold.h"

enum moment {
    /* Before anything final is sent: changes can still be sent.  The guest
     * waits meanwhile. */
    IN_THE_STOP,
    /* While the destination loads the final state: these checks cost the stop
     * nothing that it would not wait for anyway.  In a stream without a way
     * back they come before END. */
    BEFORE_THE_GO,
};

static int recheck_toolstack(struct xlm_saver *saver)
{
    const struct xlm_save_callbacks *callbacks = saver->callbacks;

    if (callbacks->recheck && callbacks->recheck(callbacks->data)) {
        return xlm_fail(saver->ctx, "what the destination was told of the "
                                    "guest holds no longer: see the log");
    }
    return 0;
}

/* The destination sets again those that may be set again: it gets all
 * parameters once more with the final state. */
static int recheck_params(struct xlm_saver *saver)
{
    return xlm_check_params(saver->ctx, saver->params->domid,
                            &saver->domain.early);
}

static const struct {
    const char *what;
    const char *read; /* when */
    enum moment moment;
    int (*check)(struct xlm_saver *saver);
} rechecks[] = {
    {"which pages the guest has, and the highest pfn",
     "at the beginning, and at the end of each round", IN_THE_STOP,
     xlm_save_recheck_pages},
    {"pages that the hypervisor reads by itself (HVM_PARAM_IDENT_PT, "
     "VM86_TSS)",
     "at the beginning, in find_pages()", IN_THE_STOP,
     xlm_save_recheck_resident},
    {"HVM parameters that can be set once (the toolstack's pages, Viridian)",
     "at the beginning, and sent before PREPARE", BEFORE_THE_GO,
     recheck_params},
    {"what the toolstack told the destination (devices, names)",
     "before the call", BEFORE_THE_GO, recheck_toolstack},
};

static int check_all(struct xlm_saver *saver, enum moment moment)
{
    for (size_t i = 0; i < sizeof(rechecks) / sizeof(rechecks[0]); i++) {
        if (rechecks[i].moment == moment && rechecks[i].check(saver)) {
            xtl_log(saver->ctx->logger, XTL_ERROR, -1, "xlm",
                    "%s, read %s, is not what it was", rechecks[i].what,
                    rechecks[i].read);
            return -1;
        }
    }
    return 0;
}

int xlm_save_recheck_in_stop(struct xlm_saver *saver)
{
    return check_all(saver, IN_THE_STOP);
}

int xlm_save_recheck_before_go(struct xlm_saver *saver)
{
    return check_all(saver, BEFORE_THE_GO);
}
