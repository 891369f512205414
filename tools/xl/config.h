/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Configurations of domains: where they come from and how they travel.
 */
#ifndef XL_CONFIG_H
#define XL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "xl_context.h"

/*
 * The configuration to send for a domain, as JSON, malloc()ed: that of the
 * running domain or, when override is not NULL, that of a file as xl create
 * reads it.  NULL: it or we said why not.
 */
char *xl_config_to_send(struct xl_context *xl, uint32_t domid,
                        const char *override, bool preserve_domid);

/* The running domain's own configuration, as libxl has it now, as JSON,
 * malloc()ed.  NULL, having said so: there is none. */
char *xl_config_own(struct xl_context *xl, uint32_t domid);

/* Write xl's header and the configuration.  0, or -1 having said why. */
int xl_config_write(int fd, const char *json);

/* Read both into an initialised configuration, within XL_PROLOGUE_SECONDS.  0,
 * or -1 having said why. */
int xl_config_read(struct xl_context *xl, int fd, libxl_domain_config *config);

/* Whether xl.conf lets domains take their memory from dom0. */
bool xl_config_autoballoon(struct xl_context *xl);

#endif
