/* SPDX-License-Identifier: LGPL-2.1-or-later
 * TLS that the kernel does on a socket: what uses the socket from then on
 * reads and writes as if there were none.
 *
 * The kernel has one key for each direction, for as long as the connection
 * lasts.
 */
#ifndef XL_TLS_KERNEL_H
#define XL_TLS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include <gnutls/gnutls.h>

/* Room for what the kernel is told of one direction. */
#define XL_TLS_KEYS_MAX 64

/* Whether the kernel can have this session.  It then has been made ready for
 * that, and the session can still go on by itself. */
bool xl_tls_kernel_can(gnutls_session_t session, int fd);

/*
 * Hand the session over, in both directions: the caller closes it and uses the
 * socket.  0; 1: the kernel does not take it, and the session can go on by
 * itself; -1 with errno: it has taken half of it, and the connection is lost.
 */
int xl_tls_kernel_take(gnutls_session_t session, int fd);

/* What the kernel is told of what this end reads, or sends: its length, in
 * keys; 0: it does not know the cipher. */
size_t xl_tls_kernel_keys(gnutls_session_t session, bool read,
                          unsigned char keys[XL_TLS_KEYS_MAX]);

/* Tell the other end that no more comes.  Harmless where the kernel does no
 * TLS on the descriptor, whatever that is. */
void xl_tls_kernel_say_end(int fd);

enum xl_tls_how {
    XL_TLS_NOT_ENDED, /* or the kernel does no TLS there */
    XL_TLS_ENDED,     /* the other end has said that no more comes */
    XL_TLS_CUT,       /* it has not, and no more comes */
};

/* How the connection has ended whose octets were all read. */
enum xl_tls_how xl_tls_kernel_how_ended(int fd);

#endif
