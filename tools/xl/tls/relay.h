/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between descriptors that know nothing of TLS and a session, where
 * the kernel does no TLS.
 */
#ifndef XL_TLS_RELAY_H
#define XL_TLS_RELAY_H

#include <stdint.h>

#include "kernel.h"
#include "session.h"

/* After so many octets under one key a new one is taken, where the other end
 * goes along: a quarter of what AES-GCM is good for (RFC 8446, 5.5). */
#define XL_TLS_REKEY_OCTETS (UINT64_C(96) << 30)
/* What is on its way may take so long once nobody here cares any more. */
#define XL_TLS_LINGER_SECONDS 5

/*
 * Carry octets both ways, until both have ended: what comes from in_fd goes
 * into the session, and what the session brings to out_fd, which may be the
 * same socket.  The end of in_fd becomes TLS's close_notify, and that of the
 * other end the end of out_fd; but what is cut off ends both.  Makes the
 * descriptors non-blocking, and closes them.
 *
 * XL_TLS_ENDED: the other end has said that no more comes, or nobody here has
 * wanted any.  XL_TLS_CUT: it has not, with tls->why.
 */
enum xl_tls_how xl_tls_relay(struct xl_tls *tls, int in_fd, int out_fd,
                             uint64_t rekey_octets);

#endif
