/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A TLS connection between two hosts, up to the moment from which on it
 * carries a migration: docs/specs/migrate-tls.md.  Nothing that the other end
 * says is looked at before both ends have verified each other.
 */
#ifndef XL_TLS_SESSION_H
#define XL_TLS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <gnutls/gnutls.h>

#include "credentials.h"
#include "peer.h"

/* What both ends have for all of it. */
#define XL_TLS_SECONDS 30
/* After so long a client that has said nothing is told, in clear, that TLS is
 * spoken here: it may be one that waits to be spoken to. */
#define XL_TLS_SILENCE_SECONDS 10

struct xl_tls {
    const struct xl_tls_credentials *credentials;
    gnutls_session_t session;
    int fd;            /* the caller's, made non-blocking */
    const char *host;  /* of a client: whom it wants to talk to; or NULL */
    uint64_t deadline; /* see prologue.h */
    bool for_kernel;   /* the kernel must take over the connection, and can */
    bool may_rekey;    /* the other end reads on after a new key */
    struct xl_tls_names peer;
    gnutls_alert_description_t alert; /* to send; 0: none */
    char why[XL_TLS_WHY_MAX];         /* of the failure */
};

#define XL_TLS_CLOSED ((struct xl_tls){.session = NULL, .fd = -1})

/* What one end wants; all of it has to stay for as long as the connection. */
struct xl_tls_wishes {
    const struct xl_tls_credentials *credentials;
    bool kernel; /* the kernel may do it from then on, where it can */
    uint64_t deadline;
    /* For a client: the name that the server's certificate must have. */
    const char *host;
    /* For a server: a list of patterns for the names of clients, that ends
     * with
     * NULL, or NULL: any that its CA has signed a certificate for; where a
     * person finds the list; and a line for clients that do not speak TLS. */
    const char *const *peers;
    const char *peers_where;
    const char *clear_answer;
};

/*
 * Have the connection on a socket verified by both ends: 0, or -1 with
 * tls->why.  The socket stays the caller's.  xl_tls_close() in any case.
 */
int xl_tls_open(struct xl_tls *tls, int fd,
                const struct xl_tls_wishes *wishes);

/* Forget the session; nothing is sent.  Harmless on XL_TLS_CLOSED. */
void xl_tls_close(struct xl_tls *tls);

/* Can this octet be the first that a peer with TLS sends?
 * Pure. */
bool xl_tls_is_spoken(unsigned char octet);

#endif
