/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source that pushes over a further stream, to a destination that says
 * anything on either connection once the guest runs there and the stream has
 * joined: the first two octets say how much of the rest goes over the first.
 */
#include <string.h>

#include "fake_hypervisor.h"
#include "fuzz_peer.h"
#include "wire/wire.h"

#define ROOM 65536

/* What is said before the octets, and those. */
struct words {
    uint8_t octets[ROOM];
    size_t length;
};

struct destination {
    struct fuzz_peer *first, *stream;
};

static void say(struct words *words, const void *octets, size_t length)
{
    length = length < ROOM - words->length ? length : ROOM - words->length;
    memcpy(words->octets + words->length, octets, length);
    words->length += length;
}

static void say_answer(struct words *words, uint32_t type, uint32_t status)
{
    const struct xlm_wire_record_header header = {
        .type = type, .length = sizeof(struct xlm_wire_answer)};
    const struct xlm_wire_answer answer = {.status = status};

    say(words, &header, sizeof(header));
    say(words, &answer, sizeof(answer));
}

/* The guest has all pages but one. */
static void say_lacking(struct words *words)
{
    const struct xlm_wire_pfn_list list = {.count = FUZZ_PFNS / 2};
    const struct xlm_wire_record_header header = {
        .type = XLM_REC_POSTCOPY_LACKING,
        .length = sizeof(list) + list.count * sizeof(uint64_t),
    };

    say(words, &header, sizeof(header));
    say(words, &list, sizeof(list));
    for (uint64_t pfn = 0; pfn < list.count; pfn++) {
        say(words, &pfn, sizeof(pfn));
    }
}

static int connect_stream(uint32_t index, int cancel_fd, int *in_fd,
                          int *out_fd, void *data)
{
    struct destination *destination = data;

    (void)cancel_fd;
    fuzz_require(index == 1);
    *in_fd = *out_fd = fuzz_peer_fd(destination->stream);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    size_t on_first = length >= 2 ? octets[0] << 8 | octets[1] : 0;
    size_t rest = length >= 2 ? length - 2 : 0;
    struct fake_host *host = fake_host_new(1000);
    struct fake_domain *domain = fuzz_guest(host);
    struct words first = {.length = 0}, stream = {.length = 0};
    struct destination destination;
    const struct xlm_save_callbacks callbacks = {
        .connect_stream = connect_stream,
        .data = &destination,
    };
    struct xlm_context ctx = fuzz_context(fake_open(host));
    struct xlm_save_params params;
    enum xlm_guest_state found;
    struct xlm_stats stats;
    int rc;

    on_first = on_first < rest ? on_first : rest;
    say_answer(&first, XLM_REC_POSTCOPY_STATE, XLM_GUEST_RUNS);
    say_lacking(&first);
    say(&first, octets + 2, on_first);
    say_answer(&stream, XLM_REC_POSTCOPY_JOINED, 0);
    say(&stream, octets + 2 + on_first, rest - on_first);
    destination.first = fuzz_peer_new(first.octets, first.length);
    destination.stream = fuzz_peer_new(stream.octets, stream.length);

    fake_domain_suspend(domain);
    xlm_save_params_init(&params);
    params.domid = fake_domain_id(domain);
    params.in_fd = params.out_fd = fuzz_peer_fd(destination.first);
    params.streams = 2;
    rc = xlm_recover(&ctx, &params, &callbacks, &stats, &found);
    fuzz_require(rc ? ctx.reason[0] != '\0'
                    : found == XLM_GUEST_COMPLETE || found == XLM_GUEST_ENDED);
    fuzz_require(!fake_domain_running(domain));
    fuzz_peer_free(destination.first);
    fuzz_peer_free(destination.stream);
    xlm_hypervisor_close(ctx.hypervisor);
    fuzz_require(fake_violations(host) == 0);
    fake_host_free(host);
    return 0;
}
