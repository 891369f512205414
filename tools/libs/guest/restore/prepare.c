/* SPDX-License-Identifier: LGPL-2.1-or-later
 * PREPARE at the destination: can the guest be here?  If it can, its domain is
 * built, now or in the stop, and gets its pager.
 */
#include "restore/prepare.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "restore/build.h"
#include "restore/context.h"
#include "restore/late.h"
#include "restore/pages.h"

static const struct xlm_wire_prepare *prepare_of(
    const struct xlm_restorer *restorer)
{
    return restorer->record.body;
}

static int identify(struct xlm_restorer *restorer)
{
    const struct xlm_wire_prepare *prepare = prepare_of(restorer);
    struct xlm_identity identity = {.pfns = restorer->domain.pfn_limit};

    memcpy(identity.id, prepare->id, sizeof(identity.id));
    memcpy(identity.uuid, prepare->uuid, sizeof(identity.uuid));
    xlm_trace_identify(restorer->ctx->trace, XLM_TRACE_DESTINATION,
                       identity.id);
    if (restorer->callbacks->identify &&
        restorer->callbacks->identify(&identity, restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "this host cannot keep what a recovery "
                                       "would need");
    }
    return 0;
}

/* Keep the set of outstanding pages where it survives this process, if the
 * caller wants that. */
static int keep(struct xlm_restorer *restorer)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;

    if (!callbacks->keep) {
        return 0;
    }
    restorer->kept =
        callbacks->keep(restorer->domain.pfn_limit, callbacks->data);
    if (!restorer->kept) {
        return xlm_fail(restorer->ctx,
                        "this host cannot keep what a recovery would need: %s",
                        strerror(errno));
    }
    return 0;
}

static bool knows_flags(uint32_t flags)
{
    return !flags || flags == XLM_PREPARE_EARLY || flags == XLM_PREPARE_LATE ||
           flags == XLM_PREPARE_LATE_DEVICES;
}

static int check_version(struct xlm_restorer *restorer)
{
    const struct xlm_wire_prepare *prepare = prepare_of(restorer);

    if (prepare->version == XLM_PREPARE_VERSION &&
        knows_flags(prepare->flags)) {
        return 0;
    }
    errno = EPROTO;
    return xlm_fail(restorer->ctx,
                    "the source asks for version %" PRIu32
                    " of the protocol, this host has %u: "
                    "install the same version on both",
                    prepare->version, XLM_PREPARE_VERSION);
}

static int check_size(struct xlm_restorer *restorer)
{
    const struct xlm_wire_prepare *prepare = prepare_of(restorer);

    if (!prepare->pfns || prepare->pfns > restorer->domain.pfn_limit ||
        prepare->pages > restorer->domain.max_guest_pages) {
        return xlm_restore_bad_stream(restorer,
                                      "PREPARE for a guest larger than its "
                                      "configuration allows");
    }
    return 0;
}

/* Called before anything is built: without paging the toolstack would fail,
 * with a message that does not say why. */
static int choose_paging(struct xlm_restorer *restorer)
{
    restorer->paging = xlm_choose_paging_of(
        restorer->ctx, restorer->params->pager, restorer->domain.domid,
        &restorer->outcome.refusal);
    return restorer->paging ? 0 : -1;
}

/* The source's guest may get higher pfns yet; only its configuration says how
 * high. */
static int make_room(struct xlm_restorer *restorer)
{
    uint64_t pfns = prepare_of(restorer)->pfns;
    uint64_t room =
        restorer->params->max_pages ? pfns * XLM_PREPARE_GROWTH : pfns;

    if (room < restorer->domain.pfn_limit) {
        restorer->domain.pfn_limit = room;
    }
    return xlm_restore_reserve(restorer, restorer->domain.pfn_limit);
}

/* Build the domain: early, or all but the devices. */
static int build(struct xlm_restorer *restorer)
{
    xlm_restore_choose_build(restorer, prepare_of(restorer)->flags);
    if (restorer->domain.held ? xlm_restore_hold_build(restorer)
                              : xlm_restore_build_early(restorer)) {
        return xlm_restore_explain_build(restorer);
    }
    return 0;
}

static int open_pager(struct xlm_restorer *restorer)
{
    restorer->pager = xlm_pager_open(
        restorer->ctx, restorer->paging, &restorer->channel,
        restorer->domain.domid, restorer->domain.pfn_limit, restorer->kept);
    if (!restorer->pager) {
        if (errno == ENODEV) {
            restorer->outcome.refusal = XLM_REFUSED_NO_HAP;
        }
        return -1;
    }
    xlm_restore_lend(restorer);
    return 0;
}

/* The stages in their order, and the refusal that the source gets when one
 * fails, unless the stage sets another. */
static const struct {
    int (*pass)(struct xlm_restorer *restorer);
    enum xlm_refusal refusal;
} stages[] = {
    {check_version, XLM_REFUSED_VERSION},
    {check_size, XLM_REFUSED_OTHER},
    {choose_paging, XLM_REFUSED_OTHER},
    {make_room, XLM_REFUSED_OTHER},
    {identify, XLM_REFUSED_OTHER},
    {keep, XLM_REFUSED_NO_MEMORY},
    {xlm_restore_claim, XLM_REFUSED_NO_MEMORY},
    {build, XLM_REFUSED_BUILD},
    {xlm_restore_check_alive, XLM_REFUSED_BUILD},
    {open_pager, XLM_REFUSED_OTHER},
};

int xlm_check_restore(struct xlm_context *ctx, enum xlm_mechanism pager,
                      bool hap, unsigned int vcpus, enum xlm_refusal *refusal,
                      unsigned int *most_vcpus)
{
    struct xlm_paged_guest guest = {.hap = hap, .vcpus = 1};
    const struct xlm_paging_ops *paging =
        xlm_choose_paging(ctx, pager, &guest, refusal);

    if (!paging) {
        return -1;
    }
    *most_vcpus = paging->most_vcpus(ctx);
    guest.vcpus = vcpus;
    *refusal = XLM_REFUSED_OTHER;
    return xlm_choose_paging(ctx, pager, &guest, refusal) ? 0 : -1;
}

static int prepare(struct xlm_restorer *restorer)
{
    if (restorer->pager || restorer->params->out_fd < 0) {
        return xlm_restore_bad_stream(restorer, "unexpected PREPARE");
    }
    restorer->domain.pages = prepare_of(restorer)->pages;
    restorer->stats->guest_pages = restorer->domain.pages;
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        restorer->outcome.refusal = stages[i].refusal;
        if (stages[i].pass(restorer)) {
            return -1;
        }
    }
    return 0;
}

int xlm_restore_take_prepare(struct xlm_restorer *restorer)
{
    restorer->outcome.refusal = XLM_REFUSED_OTHER;
    xlm_restore_progress(restorer, XLM_PHASE_PREPARING);
    if (prepare(restorer)) {
        return -1;
    }
    restorer->outcome.prepared = true;
    if (xlm_restore_tell_features(restorer)) {
        return -1;
    }
    xlm_restore_progress(restorer, XLM_PHASE_PRECOPY);
    return xlm_write_answer(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_PREPARED, 0,
                            restorer->stats->devices.late_reason);
}
