/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The surroundings of a pager under test: a domain, some of whose vCPUs
 * touch pages, and the connection on which the pager requests these pages.
 * rig_make() and rig_drop() are a test's setup and teardown; the test opens
 * the pager.
 */
#ifndef FAKE_RIG_H
#define FAKE_RIG_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_hypervisor.h"
#include "pager/pager.h"
#include "wire/wire.h"

#define RIG_PAGES 64
#define RIG_VCPUS 12 /* more than the ring has slots */

struct rig {
    struct fake_host *host;
    struct fake_domain *domain;
    struct xlm_context ctx;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];
    struct xlm_channel channel;
    int fds[2];
    struct xlm_pager *pager;
    unsigned long *kept;        /* by the pager; NULL: nothing is */
    uint64_t faults[RIG_PAGES]; /* of the record read last */
    size_t nr_faults;
    bool urgent; /* they are of an URGENT */
    size_t next_fault;
    pthread_t vcpus[RIG_VCPUS];
    struct rig_touch {
        struct rig *rig;
        unsigned int vcpu;
        uint64_t pfn;
        enum fake_access access;
        uint8_t found;
    } touches[RIG_VCPUS];
};

/* The mechanism that the environment asks for: see fake_pager(). */
const struct xlm_paging_ops *rig_mechanism(void);

int rig_make(void **state);
int rig_drop(void **state);

void rig_open_pager(struct rig *rig);
void rig_evict_all(struct rig *rig);
/* The guest runs, with all of its memory absent. */
void rig_run_evicted(struct rig *rig);

/* Page in page n, with n + 1 in each octet. */
int rig_bring_in(struct rig *rig, uint64_t pfn);
/* All of them, whether or not they came before; none is out then. */
void rig_bring_in_rest(struct rig *rig);

/* A vCPU touches a page, in a thread of its own. */
void rig_start_touch(struct rig *rig, unsigned int vcpu, uint64_t pfn);
/* Wait for that vCPU, and check that it has found what rig_bring_in() put
 * there. */
void rig_expect_touched(struct rig *rig, unsigned int vcpu);
/* What a vCPU does with a page that it touches: note what is there. */
void rig_look(void *page, uint64_t pfn, void *touch);

/* The next page that the pager requests from its source. */
uint64_t rig_next_fault(struct rig *rig);
/* Wait until the pager's ring thread has answered all faults, which it does
 * without an order from the test. */
void rig_await_answers(struct rig *rig);
struct xlm_wire_stats rig_stats(struct rig *rig);

#endif
