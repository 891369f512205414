/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that came as less than their contents: the contents, made again.
 *
 * The peer is not trusted: nothing is made but what the entries of the list
 * call for, which is bounded by XLM_BATCH_PAGES, and a frame that is anything
 * else than exactly that is bad.
 */
#ifndef XLM_EXPAND_H
#define XLM_EXPAND_H

#include "context.h"
#include "wire/record.h"

/* One for each thread that reads pages; dispose of it once. */
struct xlm_expander {
    /* The next two are NULL until they are needed. */
    void *zstd;
    void *room; /* for a whole batch */
    /* The caller's, for contents that fit: memory that the hypervisor can
     * read. */
    void *lent;
    size_t lent_octets;
};

#define XLM_EXPANDER_EMPTY ((struct xlm_expander){.zstd = NULL})

/* Releases all but what is lent. */
void xlm_expander_dispose(struct xlm_expander *expander);

/*
 * Set list->contents, of a list that xlm_parse_pfn_list() has checked, if it
 * has something in their stead.  They are valid until the next call.  EPROTO:
 * a bad frame; ENOMEM.
 */
int xlm_expand(struct xlm_context *ctx, struct xlm_expander *expander,
               const struct xlm_record *record, struct xlm_pfn_list *list);

#endif
