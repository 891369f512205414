/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two hosts with certificates that meet over TCP on the loopback.
 */
#ifndef FAKE_TLS_H
#define FAKE_TLS_H

#include <limits.h>
#include <pthread.h>

#include "fake_ca.h"
#include "tls/relay.h"

/* A time that never comes. */
#define FAKE_NEVER (~UINT64_C(0))
/* Over already. */
#define FAKE_OVER 1

struct fake_end {
    char directory[PATH_MAX];
    struct xl_tls_credentials credentials;
    struct xl_tls_wishes wishes;
    struct xl_tls tls;
    int fd;  /* the connection */
    int ret; /* of xl_tls_open() */
    pthread_t thread;
    /* For a relay. */
    int plain[2]; /* the test's end first */
    uint64_t rekey_octets;
    enum xl_tls_how how;
};

struct fake_tls {
    struct fake_ca ca;
    struct fake_end client, server;
};

/* Two hosts, "source.example" and "destination.example", with certificates of
 * one CA, and connected; credentials are not loaded. */
struct fake_tls *fake_tls_new(void);
void fake_tls_free(struct fake_tls *tls);

/* Load the credentials from the files, as a host does; must not fail. */
void fake_tls_load(struct fake_tls *tls);

/* Both ends open the connection, the server in a thread; each end's result is
 * in the end afterwards. */
void fake_tls_meet(struct fake_tls *tls);

/* An end in a thread of its own: opens the connection, and then relays it to
 * end->plain[0]. */
void fake_end_start(struct fake_end *end);
void fake_end_join(struct fake_end *end);

#endif
