/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The calls of the fake hypervisor, in the files fake_ops_*.c.  Tests must
 * not include this header.
 */
#ifndef FAKE_OPS_H
#define FAKE_OPS_H

#include "fake_internal.h"

/* Each function has the type of its slot. */
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

/* Begin a call, and lock the host: 0, or -1 with errno if the call must fail.
 * In both cases the caller must end the call. */
int fake_op_begin(struct fake_handle *handle, enum fake_op op);
/* End a call, and unlock the host.  Returns rc. */
int fake_op_end(struct fake_handle *handle, enum fake_op op, int rc);

/* Find a domain; the host must be locked.  NULL with ESRCH: it does not exist.
 */
struct fake_domain *fake_find(struct fake_host *host, uint32_t domid);
/* fake_op_begin() for a call about a domain; NULL: the call must fail. */
struct fake_domain *fake_op_begin_on(struct fake_handle *handle,
                                     enum fake_op op, uint32_t domid);
/* Was the caller built with headers that the host's hypervisor knows?  0 or
 * -1. */
int fake_check_interface(struct fake_host *host);
/* Records a violation unless all pfns are below the domain's limit. */
bool fake_pfns_valid(struct fake_domain *domain, enum fake_op op, size_t count,
                     const uint64_t *pfns);

#endif
