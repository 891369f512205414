/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a domain has besides its memory: CPU policies, TSC, HVM parameters and
 * context; and which of its pages are the toolstack's, not the guest's.
 */
#ifndef XLM_PLATFORM_H
#define XLM_PLATFORM_H

#include <stdint.h>

#include "context.h"
#include "policy/pfn_set.h"
#include "wire/channel.h"
#include "wire/record.h"
#include "wire/wire.h"

/* ---- source ---- */

/* Write all records that must come before STATIC_DATA_END, and that record. */
int xlm_write_static_data(struct xlm_context *ctx, struct xlm_channel *channel,
                          uint32_t domid);
/* The state of vCPUs and emulated devices, in the hypervisor's format. */
struct xlm_hvm_context {
    void *octets; /* malloc'ed; NULL: not read */
    size_t length;
};

/* Most HVM parameters that a stream carries. */
#define XLM_HVM_PARAMS_MAX 16

struct xlm_hvm_params {
    size_t count;
    struct xlm_wire_hvm_param params[XLM_HVM_PARAMS_MAX];
};

/* Read the parameters that are not 0. */
int xlm_read_params(struct xlm_context *ctx, uint32_t domid,
                    struct xlm_hvm_params *params);
/* Parameters that a domain accepts only once, or that the toolstack uses, must
 * not have changed; xlm_platform_apply() sets all others again. */
int xlm_check_params(struct xlm_context *ctx, uint32_t domid,
                     const struct xlm_hvm_params *before);

/* Read the context; the caller frees the octets. */
int xlm_read_hvm_context(struct xlm_context *ctx, uint32_t domid,
                         struct xlm_hvm_context *context);
/* Write X86_TSC_INFO, HVM_PARAMS and HVM_CONTEXT as they are now; a context
 * that was read since the guest stopped is not read again. */
int xlm_write_platform(struct xlm_context *ctx, struct xlm_channel *channel,
                       uint32_t domid, const struct xlm_hvm_context *context);

/*
 * The pages that the toolstacks of both hosts keep for themselves: device
 * rings, which start empty at the destination, and the pager's ring.  They
 * never cross the wire in a postcopy migration.
 */
int xlm_find_toolstack_pages(struct xlm_context *ctx, uint32_t domid,
                             struct xlm_pfn_set *pages);
/* Pages that the hypervisor reads without a fault for the pager. */
int xlm_find_hypervisor_pages(struct xlm_context *ctx, uint32_t domid,
                              struct xlm_pfn_set *pages);

/* ---- destination ---- */

/* The last platform records of a stream; all zeroes: none so far. */
struct xlm_platform {
    struct xlm_wire_tsc_info tsc;
    bool has_tsc;
    struct xlm_wire_hvm_param *params;
    size_t nr_params;
    void *context;
    size_t context_length;
    bool context_is_new; /* one was taken since this was last set to false */
};

void xlm_platform_dispose(struct xlm_platform *platform);
/* Keep the contents of X86_TSC_INFO, HVM_PARAMS or HVM_CONTEXT. */
int xlm_platform_take(struct xlm_context *ctx, struct xlm_platform *platform,
                      const struct xlm_record *record);
/* Has each of the three been taken? */
bool xlm_platform_is_complete(const struct xlm_platform *platform);
/* The same sets as above, from the parameters; pfns at or above the set's
 * limit are left out. */
void xlm_platform_toolstack_pages(const struct xlm_platform *platform,
                                  struct xlm_pfn_set *pages);
/* A copy of the context for a domain without memory (see
 * xlm_hvm_context_strip()); the caller must free it.  NULL with a reason. */
void *xlm_platform_early_context(struct xlm_context *ctx,
                                 const struct xlm_platform *platform,
                                 size_t *length);
/*
 * Turn off features in the context whose page the domain does not have, as a
 * guest may make it: some hypervisors would write to such a page.  Call before
 * loading the context into a domain that has all the pages which the context
 * names.  A pfn at or above `limit` is no page.
 */
int xlm_platform_defuse(struct xlm_context *ctx, struct xlm_platform *platform,
                        uint32_t domid, uint64_t limit);
/* Set TSC, context, and the parameters that firmware or the guest may have set
 * after the domain was built. */
int xlm_platform_apply(struct xlm_context *ctx,
                       const struct xlm_platform *platform, uint32_t domid);

#endif
