/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Has this host enough free memory for a domain?
 */
#ifndef LM_MEMORY_H
#define LM_MEMORY_H

#include <stdbool.h>

#include <libxl.h>

#include "xlm.h"

struct lm_room {
    uint64_t free_kb;   /* on the host */
    uint64_t needed_kb; /* what the domain of a configuration needs */
};

/* Changes nothing.  0, or a libxl error with the reason in the context. */
int lm_look_for_room(libxl_ctx *ctx, libxl_domain_config *config,
                     struct xlm_context *xlm, struct lm_room *room);
/* 0, or ERROR_NOMEM with the reason in the context. */
int lm_check_room(const struct lm_room *room, struct xlm_context *xlm);

/*
 * Make sure that the host has the free memory that the domain of this
 * configuration needs.  With autoballoon dom0 gives up what is missing, which
 * takes seconds.  0; ERROR_NOMEM with the reason in the context, or another
 * libxl error.
 */
int lm_make_room(libxl_ctx *ctx, libxl_domain_config *config, bool autoballoon,
                 struct xlm_context *xlm);

#endif
