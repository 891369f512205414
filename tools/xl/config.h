/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Configurations of domains: where they come from, and how they travel.
 */
#ifndef XL_CONFIG_H
#define XL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "xl_context.h"

/*
 * The configuration to send for a domain, as JSON: that of the running domain
 * or, if override is not NULL, that of a file, read as xl create does.  The
 * caller must free it.  NULL: the stock xl or this function has printed the
 * reason.
 */
char *xl_config_to_send(struct xl_context *xl, uint32_t domid,
                        const char *override, bool preserve_domid);

/* The running domain's configuration as libxl has it now, as JSON, which the
 * caller must free.  NULL with a message on stderr: there is none. */
char *xl_config_own(struct xl_context *xl, uint32_t domid);

/* Write xl's header and the configuration.  0, or -1 with a message on
 * stderr. */
int xl_config_write(int fd, const char *json);

/* Write what stands before them, with the same patience.  0, or -1. */
int xl_config_write_octets(int fd, const void *octets, size_t length);

/* Read it, within XL_PROLOGUE_SECONDS; `what` it is, for a person.  0, or -1
 * having said why. */
int xl_config_read_octets(int fd, void *octets, size_t length,
                          const char *what);

/* Read both into an initialised configuration, within XL_PROLOGUE_SECONDS.  0;
 * XL_CONFIG_ROOM: the source asks what room this host has, and sends no more;
 * or -1 with a message on stderr. */
#define XL_CONFIG_ROOM 1
int xl_config_read(struct xl_context *xl, int fd, libxl_domain_config *config);

#endif
