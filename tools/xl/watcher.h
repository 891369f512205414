/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Who watches over a domain on this host: waits for its end, and does what its
 * configuration says then.  Two must never do so.
 */
#ifndef XL_WATCHER_H
#define XL_WATCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A daemon of xl, the stock one's or ours, says so in its log when it begins,
 * of each domain: with the domain's name, its number, and its own process. */
#define XL_WATCHER_FORMAT "Waiting for domain %s (domid %u) to die [pid %ld]"

struct xl_watcher {
    pid_t pid; /* 0: no xl of this host is known to have watched over it */
    bool lives;
};

/* The process that watches over the domain, or did so last, by the logs of
 * this host since it was started.  Libvirt, and an xl in the foreground, have
 * none. */
struct xl_watcher xl_watcher_find(uint32_t domid);

/* The same of one log's text: the last that begins with the domain; 0: none.
 */
pid_t xl_watcher_in_log(const char *text, uint32_t domid);

/*
 * Be the only one of ours that watches over the domain, for as long as the
 * returned descriptor is open.  -1: another one does.  The stock xl takes no
 * notice of it.
 */
int xl_watcher_claim(uint32_t domid);

/* Wait until the process has ended; true: it has, within so many seconds. */
bool xl_watcher_await_end(pid_t pid, unsigned int seconds);

#endif
