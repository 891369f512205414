/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Is there room on this host for a domain?
 */
#ifndef LM_MEMORY_H
#define LM_MEMORY_H

#include <stdbool.h>

#include <libxl.h>

#include "xlm.h"

struct lm_room {
    uint64_t free_kb;   /* on the host */
    uint64_t needed_kb; /* by the domain of a configuration */
};

/* 0, or a libxl error with the reason in the context.  Nothing is changed. */
int lm_look_for_room(libxl_ctx *ctx, libxl_domain_config *config,
                     struct xlm_context *xlm, struct lm_room *room);
/* 0, or ERROR_NOMEM with the reason in the context. */
int lm_check_room(const struct lm_room *room, struct xlm_context *xlm);

/*
 * See that the host has the free memory that the domain of this configuration
 * needs; with autoballoon, dom0 is made to give up what is missing, which
 * takes seconds.  0; ERROR_NOMEM with the reason in the context, or another
 * libxl error.
 */
int lm_make_room(libxl_ctx *ctx, libxl_domain_config *config, bool autoballoon,
                 struct xlm_context *xlm);

#endif
