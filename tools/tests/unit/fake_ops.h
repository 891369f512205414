/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The calls of the fake hypervisor, in the files fake_ops_*.c; tests have no
 * business here.
 */
#ifndef FAKE_OPS_H
#define FAKE_OPS_H

#include "fake_internal.h"

/* Each is of the type that its slot has. */
#define FAKE_OP_DECLARE(name) \
    __typeof__(*((struct xlm_hypervisor_ops *)NULL)->name) fake_op_##name;
FAKE_OPS(FAKE_OP_DECLARE)
FAKE_OP_DECLARE(close)
FAKE_OP_DECLARE(shadow_stacks)
FAKE_OP_DECLARE(xen_version)
FAKE_OP_DECLARE(interface)
FAKE_OP_DECLARE(unmap)
FAKE_OP_DECLARE(contents_free)

struct fake_handle *fake_handle_of(struct xlm_hypervisor *hv);

/* A call begins, and the host is locked: 0, or -1 with errno when it is to
 * fail.  In either case it has to end. */
int fake_op_begin(struct fake_handle *handle, enum fake_op op);
/* It ends, and the host is unlocked.  Returns rc. */
int fake_op_end(struct fake_handle *handle, enum fake_op op, int rc);

/* With the host locked.  A domain that is there; NULL with ESRCH. */
struct fake_domain *fake_find(struct fake_host *host, uint32_t domid);
/* fake_op_begin() for a call about a domain: NULL, it is to fail. */
struct fake_domain *fake_op_begin_on(struct fake_handle *handle,
                                     enum fake_op op, uint32_t domid);
/* Does the caller use headers that the host's hypervisor knows?  0 or -1. */
int fake_check_interface(struct fake_host *host);
/* All pfns are below the domain's limit, or it is a violation. */
bool fake_pfns_valid(struct fake_domain *domain, enum fake_op op, size_t count,
                     const uint64_t *pfns);

#endif
