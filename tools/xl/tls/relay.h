/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A session as the wire of a relay, where the kernel does no TLS.
 */
#ifndef XL_TLS_RELAY_H
#define XL_TLS_RELAY_H

#include <stdint.h>

#include "kernel.h"
#include "session.h"

/* After this many octets under one key both ends take a new key, if the other
 * end can: a quarter of what AES-GCM is good for (RFC 8446, 5.5). */
#define XL_TLS_REKEY_OCTETS (UINT64_C(96) << 30)

/*
 * Carry octets between plain descriptors and the session, until both ways have
 * ended: carry.h.  An end is told to the other host by TLS's close_notify.
 *
 * XL_TLS_ENDED: the other end has said that no more comes, or the local reader
 * has closed.  XL_TLS_CUT: the connection was cut, with tls->why.
 */
enum xl_tls_how xl_tls_relay(struct xl_tls *tls, int in_fd, int out_fd,
                             uint64_t rekey_octets);

#endif
