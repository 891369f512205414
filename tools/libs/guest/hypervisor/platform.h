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

/* Write the records that are legal before STATIC_DATA_END, and that. */
int xlm_write_static_data(struct xlm_context *ctx, struct xlm_channel *channel,
                          uint32_t domid);
/* The CPUs and the devices of the hypervisor's, as it saves them. */
struct xlm_hvm_context {
    void *octets; /* malloc'ed; NULL: not read */
    size_t length;
};

/* HVM parameters that are worth a place in a stream, at the most. */
#define XLM_HVM_PARAMS_MAX 16

struct xlm_hvm_params {
    size_t count;
    struct xlm_wire_hvm_param params[XLM_HVM_PARAMS_MAX];
};

/* Read those that are not 0. */
int xlm_read_params(struct xlm_context *ctx, uint32_t domid,
                    struct xlm_hvm_params *params);
/* Those that a domain takes only once, or that the toolstack goes by, must
 * still be what they were; the others are set again by xlm_platform_apply().
 */
int xlm_check_params(struct xlm_context *ctx, uint32_t domid,
                     const struct xlm_hvm_params *before);

/* Read it; the caller frees the octets. */
int xlm_read_hvm_context(struct xlm_context *ctx, uint32_t domid,
                         struct xlm_hvm_context *context);
/* Write X86_TSC_INFO, HVM_PARAMS and HVM_CONTEXT as they are now; but the last
 * as it was, when it has been read since the guest stopped. */
int xlm_write_platform(struct xlm_context *ctx, struct xlm_channel *channel,
                       uint32_t domid, const struct xlm_hvm_context *context);

/*
 * The pages that the toolstacks of both hosts keep for themselves: device
 * rings, which start empty at the destination, and the pager's ring.  They
 * never cross the wire in a postcopy migration.
 */
int xlm_find_toolstack_pages(struct xlm_context *ctx, uint32_t domid,
                             struct xlm_pfn_set *pages);
/* Pages that the hypervisor reads without asking a pager. */
int xlm_find_hypervisor_pages(struct xlm_context *ctx, uint32_t domid,
                              struct xlm_pfn_set *pages);

/* ---- destination ---- */

/* The latest platform records of a stream; zeroed means none yet. */
struct xlm_platform {
    struct xlm_wire_tsc_info tsc;
    bool has_tsc;
    struct xlm_wire_hvm_param *params;
    size_t nr_params;
    void *context;
    size_t context_length;
    bool context_is_new; /* taken since somebody has set this to false */
};

void xlm_platform_dispose(struct xlm_platform *platform);
/* Keep the contents of X86_TSC_INFO, HVM_PARAMS or HVM_CONTEXT. */
int xlm_platform_take(struct xlm_context *ctx, struct xlm_platform *platform,
                      const struct xlm_record *record);
/* All three were taken. */
bool xlm_platform_is_complete(const struct xlm_platform *platform);
/* The same sets as above, out of the parameters; pfns at or over the set's
 * limit are left out. */
void xlm_platform_toolstack_pages(const struct xlm_platform *platform,
                                  struct xlm_pfn_set *pages);
/* A copy of the context for a domain without memory (see
 * xlm_hvm_context_strip()), malloc'ed; NULL with a reason. */
void *xlm_platform_early_context(struct xlm_context *ctx,
                                 const struct xlm_platform *platform,
                                 size_t *length);
/*
 * Call before the context is loaded into a domain that has all of the pages
 * that it names: where one names a page that the domain does not have, as a
 * guest may make it, that is turned off, since some hypervisors write there
 * all the same. A page at or over `limit` is none.
 */
int xlm_platform_defuse(struct xlm_context *ctx, struct xlm_platform *platform,
                        uint32_t domid, uint64_t limit);
/* Set the parameters that firmware or the guest may have set since, the TSC
 * and the context of a domain that was built before its guest was suspended.
 */
int xlm_platform_apply(struct xlm_context *ctx,
                       const struct xlm_platform *platform, uint32_t domid);

#endif
