/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How a process that connects hands the connection to the one that has started
 * it, over a socket between both: an octet, and with it a descriptor if the
 * connection needs no process between.
 */
#ifndef XL_PASS_FD_H
#define XL_PASS_FD_H

/* fd -1: what comes over the socket from now on is the connection.  0, or -1
 * with errno. */
int xl_pass_fd(int socket_fd, int fd);

/* Read that octet.  0: *fd is the descriptor, which the caller must close, or
 * -1 for none; 1: the other process has ended; -1 with errno, as recvmsg(2)'s.
 */
int xl_take_fd(int socket_fd, int *fd);

#endif
