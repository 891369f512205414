/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which process watches over a domain on this host: it waits for the domain's
 * end, and then does what the configuration says.  Two processes must never do
 * so.
 */
#ifndef XL_WATCHER_H
#define XL_WATCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Any daemon of xl, stock or not, writes this to its log when it begins with a
 * domain: the domain's name, its number, and the daemon's process. */
#define XL_WATCHER_FORMAT "Waiting for domain %s (domid %u) to die [pid %ld]"

struct xl_watcher {
    pid_t pid; /* 0: no xl of this host is known to watch over it */
    bool lives;
};

/* The process that watches over the domain, or did so last, as the logs of
 * this host say since it booted.  Libvirt, and an xl in the foreground, have
 * no such log. */
struct xl_watcher xl_watcher_find(uint32_t domid);

/* The same from the text of one log: the last process that began with the
 * domain; 0: none. */
pid_t xl_watcher_in_log(const char *text, uint32_t domid);

/*
 * Become the only process of this project that watches over the domain, while
 * the returned descriptor is open. -1: another one does.  The stock xl takes
 * no notice.
 */
int xl_watcher_claim(uint32_t domid);

/* Wait until the process has ended; true: it has, within this many seconds. */
bool xl_watcher_await_end(pid_t pid, unsigned int seconds);

#endif
