/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes the destination: the source's octets.
 */
#include <stdlib.h>

#include "fake_hypervisor.h"
#include "fake_link.h"
#include "fake_toolstack.h"
#include "fuzz_peer.h"
#include "wire/channel.h"
#include "wire/wire.h"

#define PFNS 64

struct toolstack {
    struct fake_host *host;
    struct fake_domain *domain;
    struct xlm_hypervisor *hypervisor;
    bool ran;
};

static int await_domain(uint32_t *domid, void *data)
{
    struct toolstack *toolstack = data;

    toolstack->domain = fake_domain_new(toolstack->host, PFNS, PFNS, 1);
    *domid = fake_domain_id(toolstack->domain);
    fake_page_busy(toolstack->domain, 3, true);
    return 0;
}

static int read_device_state(struct xlm_channel *channel, void *data)
{
    char state[sizeof(FAKE_DEVICE_STATE)];

    (void)data;
    return xlm_channel_read(channel, state, sizeof(state));
}

/* The guest runs, and back ends look at some pages: these are asked for. */
static int run(void *data)
{
    struct toolstack *toolstack = data;
    struct xlm_hypervisor *hv = toolstack->hypervisor;
    const uint64_t pfns[] = {0, 1, 2, 6, 7, 8};
    int errors[6];
    void *mapping;

    toolstack->ran = true;
    fake_domain_run(toolstack->domain);
    mapping = hv->ops->map(hv, fake_domain_id(toolstack->domain), true, 6,
                           pfns, errors);
    hv->ops->unmap(hv, mapping, 6);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct toolstack toolstack = {.host = fake_host_new(1000)};
    struct xlm_restore_callbacks callbacks = fake_idle_destination;
    struct fuzz_peer *peer = fuzz_peer_new(octets, length);
    const struct xlm_restore_params params = {
        .in_fd = fuzz_peer_fd(peer),
        .out_fd = fuzz_peer_fd(peer),
    };
    struct xlm_context ctx;
    struct xlm_stats stats;
    bool resumed;
    int rc;

    callbacks.await_domain = await_domain;
    callbacks.read_device_state = read_device_state;
    callbacks.run = run;
    callbacks.data = &toolstack;
    toolstack.hypervisor = fake_open(toolstack.host);
    ctx = fuzz_context(toolstack.hypervisor);
    rc = xlm_restore(&ctx, &params, &callbacks, &stats, &resumed);
    fuzz_require(resumed == toolstack.ran);
    fuzz_require(rc ? ctx.reason[0] != '\0' : resumed);
    if (resumed) {
        /* The domain is whole, or has its pager. */
        fuzz_require(!fake_domain_paged(toolstack.domain) ||
                     fake_domain_pager_enabled(toolstack.domain));
    }
    fuzz_peer_free(peer);
    xlm_hypervisor_close(toolstack.hypervisor);
    fake_host_free(toolstack.host);
    return 0;
}
