/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The daemon that waits for the end of a domain and then does what the
 * domain's configuration says, like the stock xl's.
 *
 * It is started while the guest still runs at the source, and stands by until
 * the guest runs here: to start a process takes time, and the guest would be
 * stopped or wait for pages meanwhile.  The daemon must be there as soon as
 * the guest runs, because the guest may shut down before all of its memory is
 * here.
 */
#ifndef XL_MONITOR_H
#define XL_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

#include "xl_context.h"

struct xl_monitor_standby {
    /* tells the daemon which domain it is; closed when no more pages come */
    int fd;
    bool begun;
};

#define XL_MONITOR_NOBODY ((struct xl_monitor_standby){.fd = -1})

/* Start the daemon, which stands by.  0, or -1 with a message on stderr. */
int xl_monitor_standby(struct xl_monitor_standby *standby);
/* The domain is here: let the daemon watch over it.  Only the first call has
 * an effect, and only with a daemon.  0, or -1 with a message on stderr. */
int xl_monitor_begin(struct xl_monitor_standby *standby, uint32_t domid);
/* Call when no more pages come, or when there is no domain. */
void xl_monitor_dismiss(struct xl_monitor_standby *standby);

/*
 * The domain was suspended here, and runs on.  If a daemon of xl watched over
 * it, and has ended since or is about to, start another one.  If that daemon
 * goes on, or there never was one (xl create -e, libvirt), do nothing.  0, or
 * -1 with a message on stderr.
 */
int xl_monitor_succeed(uint32_t domid);

/* Watch over a complete domain in this process: returns an exit status when
 * the domain is gone.  The configuration changes when the domain is started
 * again. */
int xl_monitor_run(struct xl_context *xl, uint32_t domid,
                   libxl_domain_config *config);

/* The daemon, a command: xl domain-monitor --postcopy, with the pipe as its
 * stdin. */
int xl_main_monitor(struct xl_context *xl, int argc, char **argv);

#endif
