/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The daemon that waits for the end of a domain and then does what the
 * domain's configuration says, like the stock xl's.
 */
#ifndef XL_MONITOR_H
#define XL_MONITOR_H

#include <stdint.h>

#include <libxl.h>

#include "xl_context.h"

/* Watch over a complete domain in this process: returns an exit status when
 * the domain is gone.  The configuration changes when the domain is started
 * again. */
int xl_monitor_run(struct xl_context *xl, uint32_t domid,
                   libxl_domain_config *config);

/* The daemon, a command: xl domain-monitor --postcopy, with the pipe as its
 * stdin. */
int xl_main_monitor(struct xl_context *xl, int argc, char **argv);

#endif
