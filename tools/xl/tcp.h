/* SPDX-License-Identifier: LGPL-2.1-or-later
 * TCP connections of our own, where nothing else connects the hosts.
 */
#ifndef XL_TCP_H
#define XL_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a host listens for guests, unless something else is said: Xen's port
 * for that since long ago. */
#define XL_TCP_PORT "8002"

#define XL_TCP_HOST_MAX 256
struct xl_tcp_address {
    char host[XL_TCP_HOST_MAX]; /* a name or an address; "": any of this host
    */
    char port[8];
};

/* From HOST, HOST:PORT or :PORT, where an address of IPv6 that has a port
 * behind it stands in brackets.  False: it is none of these.  Pure. */
bool xl_tcp_parse(const char *text, struct xl_tcp_address *address);

/* Room for the reason of a failure. */
#define XL_TCP_WHY_MAX 200

/* Connect, by any address that the name has, before the deadline (see
 * prologue.h).  A descriptor, or -1 with the reason. */
int xl_tcp_connect(const struct xl_tcp_address *address, uint64_t deadline,
                   char why[XL_TCP_WHY_MAX]);

/* Listen at all addresses that the name has, at most max.  How many
 * descriptors there are in fds, or -1 with the reason. */
int xl_tcp_listen(const struct xl_tcp_address *address, int *fds, int max,
                  char why[XL_TCP_WHY_MAX]);

/* Have little wait in the kernel, so that what is urgent does not queue behind
 * what is not, nothing be held back, and a dead host be noticed.  No effect on
 * what is no TCP connection. */
void xl_tcp_tune(int fd);

#endif
