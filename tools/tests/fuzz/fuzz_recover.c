/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes a source that recovers: the destination's answers over another
 * connection.
 */
#include "fake_hypervisor.h"
#include "fuzz_peer.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct fake_host *host = fake_host_new(1000);
    struct fake_domain *domain = fuzz_guest(host);
    struct fuzz_peer *peer = fuzz_peer_new(octets, length);
    const struct xlm_save_callbacks callbacks = {.data = domain};
    struct xlm_context ctx = fuzz_context(fake_open(host));
    struct xlm_save_params params;
    enum xlm_guest_state found;
    struct xlm_stats stats;
    int rc;

    fake_domain_suspend(domain);
    xlm_save_params_init(&params);
    params.domid = fake_domain_id(domain);
    params.in_fd = params.out_fd = fuzz_peer_fd(peer);
    rc = xlm_recover(&ctx, &params, &callbacks, &stats, &found);
    /* The domain may be handed over, or taken back, only after a record that
     * ends the recovery in that way. */
    fuzz_require(rc ? ctx.reason[0] != '\0'
                    : found == XLM_GUEST_NEVER_RAN ||
                          found == XLM_GUEST_COMPLETE ||
                          found == XLM_GUEST_ENDED);
    fuzz_require(!fake_domain_running(domain));
    fuzz_peer_free(peer);
    xlm_hypervisor_close(ctx.hypervisor);
    fuzz_require(fake_violations(host) == 0);
    fake_host_free(host);
    return 0;
}
