/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The last step with the domain before the go: it gets the state of the
 * suspended guest, and must be alive with it.
 *
 * When the hypervisor loads that state, it looks for pages of the guest
 * without asking the pager.  The source must send these before.  The
 * destination does not rely on that, because with some hypervisors the host
 * would be lost.
 */
#include "restore/context.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "policy/hvm_context.h"

/* Why a domain that waits for the go cannot run any more; NULL: it can. */
static const char *what_is_wrong(const struct xlm_domain_info *info)
{
    if (info->dying) {
        return "is being destroyed";
    }
    if (info->shutdown) {
        return info->shutdown_reason == SHUTDOWN_crash ? "has crashed"
                                                       : "has shut down";
    }
    return info->paused ? NULL : "was unpaused by another program";
}

int xlm_restore_check_alive(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;
    const char *wrong;

    if (hv->ops->domain_info(hv, restorer->domain.domid, &info)) {
        return xlm_fail(restorer->ctx, "the new domain is gone: %s; try again",
                        strerror(errno));
    }
    wrong = what_is_wrong(&info);
    if (!wrong) {
        return 0;
    }
    errno = ESHUTDOWN;
    return xlm_fail(restorer->ctx,
                    "the new domain %s before the guest could run in it: see "
                    "xl dmesg at the destination",
                    wrong);
}

/* Does the source have the page, and has not sent it yet? */
static bool is_awaited(struct xlm_restorer *restorer, uint64_t pfn)
{
    return pfn < restorer->domain.pfn_limit &&
           (xlm_pager_is_outstanding(restorer->pager, pfn) ||
            xlm_pfn_set_contains(&restorer->sets.refused, pfn));
}

static int check_page(uint64_t pfn, uint8_t *msr, void *data)
{
    struct xlm_restorer *restorer = data;

    (void)msr;
    if (!is_awaited(restorer, pfn)) {
        return 0;
    }
    errno = EPROTO;
    return xlm_fail(restorer->ctx,
                    "the source has not sent page %#" PRIx64
                    ", which the state of the CPUs names: install the same "
                    "version on both hosts",
                    pfn);
}

int xlm_restore_load_context(struct xlm_restorer *restorer)
{
    struct xlm_platform *platform = &restorer->domain.platform;

    if (!platform->context_is_new) {
        return xlm_restore_bad_stream(restorer,
                                      "TRANSITION without the state of the "
                                      "CPUs");
    }
    if (xlm_restore_check_alive(restorer) ||
        xlm_hvm_context_pages(platform->context, platform->context_length,
                              check_page, restorer) ||
        xlm_platform_defuse(restorer->ctx, platform, restorer->domain.domid,
                            restorer->domain.pfn_limit)) {
        return -1;
    }
    return xlm_platform_apply(restorer->ctx, platform, restorer->domain.domid);
}
