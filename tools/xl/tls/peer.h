/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Who is at the other end, by its certificate.
 */
#ifndef XL_TLS_PEER_H
#define XL_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <gnutls/gnutls.h>

#include "credentials.h"

/* The names of a certificate: its subject's common name, and its alternative
 * names for hosts, addresses among them.  Those
 * beyond XL_TLS_NAMES_MAX do not count. */
#define XL_TLS_NAMES_MAX 16
#define XL_TLS_NAME_ROOM 256
struct xl_tls_names {
    size_t count;
    char names[XL_TLS_NAMES_MAX][XL_TLS_NAME_ROOM];
};

/* The names of the certificate that the other end of a session has shown. */
void xl_tls_names_of(gnutls_session_t session, struct xl_tls_names *names);

/* Whether one of the names is in a list of patterns, with *, ? and [] as the
 * shell has them, which ends with NULL; whatever the case of letters.  A NULL
 * list has all.  Pure. */
bool xl_tls_is_allowed(const struct xl_tls_names *names,
                       const char *const *patterns);

/* The names in a line, for a person. */
void xl_tls_names_show(const struct xl_tls_names *names, char *text,
                       size_t room);

/*
 * Verify the certificate of the other end of a session by the CAs of this
 * host: its signature, times, purpose, and name, which must be `host` for a
 * client.  0; or -1 with the reason in why, and in *alert what to tell the
 * other end.
 */
int xl_tls_peer_verify(gnutls_session_t session,
                       const struct xl_tls_credentials *credentials,
                       const char *host, gnutls_alert_description_t *alert,
                       char why[XL_TLS_WHY_MAX]);

/* The reason for which the other end has sent an alert, a phrase. */
void xl_tls_explain_alert(gnutls_alert_description_t alert,
                          const struct xl_tls_credentials *credentials,
                          char why[XL_TLS_WHY_MAX]);

#endif
