/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The daemon of monitor.h, before it has a domain to watch over.
 *
 * The process is started while the guest still runs at the source, and stands
 * by until
 * the guest runs here: to start a process takes time, and the guest would be
 * stopped or wait for pages meanwhile.  The daemon must be there as soon as
 * the guest runs, because the guest may shut down before all of its memory is
 * here.
 */
#ifndef XL_STANDBY_H
#define XL_STANDBY_H

#include <stdbool.h>
#include <stdint.h>

/* What the daemon is told, in one write. */
struct xl_monitor_word {
    uint32_t domid;
    int32_t after; /* 0, or begin when this process ends, and only then */
};

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
int xl_monitor_replace_ended(uint32_t domid);

#endif
