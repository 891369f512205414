/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes the source: the destination's octets.
 */
#include <stdlib.h>

#include "fake_hypervisor.h"
#include "fake_toolstack.h"
#include "fuzz_peer.h"
#include "wire/channel.h"
#include "wire/wire.h"

static enum xlm_precopy_answer policy(const struct xlm_precopy_stats *stats,
                                      void *data)
{
    (void)data;
    return stats->iteration ? XLM_PRECOPY_POSTCOPY : XLM_PRECOPY_CONTINUE;
}

/* Every second page is written again and again. */
static void dirty(struct fake_domain *domain, uint64_t from)
{
    uint64_t pfn;

    for (pfn = from; pfn < FUZZ_PFNS; pfn += 2) {
        fake_vcpu_access(domain, 0, pfn, true, NULL, NULL);
    }
}

static int suspend(void *data)
{
    struct fake_domain *domain = data;

    dirty(domain, 1);
    fake_domain_suspend(domain);
    return 0;
}

static int write_device_state(struct xlm_channel *channel, void *data)
{
    (void)data;
    return xlm_channel_write(channel, "state", 5);
}

static void dirty_between(enum fake_op op, void *data)
{
    if (op == FAKE_OP_logdirty_read) {
        dirty(data, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct fake_host *host = fake_host_new(1000);
    struct fake_domain *domain = fuzz_guest(host);
    struct fuzz_peer *peer = fuzz_peer_new(octets, length);
    struct xlm_save_callbacks callbacks = fake_idle_source;
    struct xlm_context ctx = fuzz_context(fake_open(host));
    struct xlm_save_params params;
    struct xlm_stats stats;
    bool transitioned;
    int rc;

    fake_host_hook(host, dirty_between, domain);
    callbacks.precopy_policy = policy;
    callbacks.suspend = suspend;
    callbacks.write_device_state = write_device_state;
    callbacks.data = domain;
    xlm_save_params_init(&params);
    params.domid = fake_domain_id(domain);
    params.in_fd = params.out_fd = fuzz_peer_fd(peer);
    params.hot_pages_max = 2;
    rc = xlm_save(&ctx, &params, &callbacks, &stats, &transitioned);
    fuzz_require(rc ? ctx.reason[0] != '\0' : transitioned);
    fuzz_require(!fake_domain_logdirty(domain));
    fuzz_peer_free(peer);
    xlm_hypervisor_close(ctx.hypervisor);
    fuzz_require(fake_violations(host) == 0);
    fake_host_free(host);
    return 0;
}
