/*
 * The daemon that waits for the end of a domain and does what its
 * configuration says then.
 */
#ifndef XL_MONITOR_H
#define XL_MONITOR_H

#include <stdint.h>

#include "xl.h"

/*
 * Leave a daemon behind that watches over the domain, with its log in
 * /var/log/xen/xl-NAME.log.  Returns in the parent only: 0, or -1 having said
 * why.  No other thread may exist.
 */
int xl_monitor_start(struct xl_context *xl, uint32_t domid,
                     libxl_domain_config *config);

/* The same in this process: returns an exit status when the domain is gone
 * for good. */
int xl_monitor_run(struct xl_context *xl, uint32_t domid,
                   libxl_domain_config *config);

#endif
