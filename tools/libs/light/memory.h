/*
 * Is there room on this host for a domain?
 */
#ifndef LM_MEMORY_H
#define LM_MEMORY_H

#include <stdbool.h>

#include <libxl.h>

#include "xlm.h"

/*
 * See that the host has the free memory that the domain of this configuration
 * needs; with autoballoon, dom0 is made to give up what is missing, which
 * takes seconds.  0; ERROR_NOMEM with the reason in the context, or another
 * libxl error.
 */
int lm_make_room(libxl_ctx *ctx, libxl_domain_config *config, bool autoballoon,
                 struct xlm_context *xlm);

#endif
