/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Who is at the other end, by its certificate.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/x509.h>

#include "utf8.h"

/* ---- names ---- */

/* A name with a zero in it is an attempt to look like another name. */
static void add_name(struct xl_tls_names *names, const char *text,
                     size_t length)
{
    if (names->count < XL_TLS_NAMES_MAX && length &&
        length < XL_TLS_NAME_ROOM && strlen(text) == length) {
        lm_utf8_show(names->names[names->count], XL_TLS_NAME_ROOM, text);
        names->count++;
    }
}

static void add_address(struct xl_tls_names *names, const char *octets,
                        size_t length)
{
    char text[INET6_ADDRSTRLEN] = "";
    int family = length == sizeof(struct in6_addr) ? AF_INET6 : AF_INET;

    if ((family == AF_INET6 || length == sizeof(struct in_addr)) &&
        inet_ntop(family, octets, text, sizeof(text))) {
        add_name(names, text, strlen(text));
    }
}

static void add_alternatives(struct xl_tls_names *names,
                             gnutls_x509_crt_t certificate)
{
    for (unsigned int i = 0; i < XL_TLS_NAMES_MAX; i++) {
        char text[XL_TLS_NAME_ROOM] = "";
        size_t length = sizeof(text) - 1;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, text,
                                                        &length, NULL);

        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            return;
        }
        if (type == GNUTLS_SAN_DNSNAME) {
            add_name(names, text, length);
        } else if (type == GNUTLS_SAN_IPADDRESS) {
            add_address(names, text, length);
        }
    }
}

/* NULL: it has shown none that can be read. */
static gnutls_x509_crt_t certificate_of(gnutls_session_t session)
{
    unsigned int count = 0;
    const gnutls_datum_t *chain =
        gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t certificate;

    if (!chain || !count || gnutls_x509_crt_init(&certificate)) {
        return NULL;
    }
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER)) {
        gnutls_x509_crt_deinit(certificate);
        return NULL;
    }
    return certificate;
}

void xl_tls_names_of(gnutls_session_t session, struct xl_tls_names *names)
{
    gnutls_x509_crt_t certificate = certificate_of(session);
    char text[XL_TLS_NAME_ROOM] = "";
    size_t length = sizeof(text) - 1;

    names->count = 0;
    if (!certificate) {
        return;
    }
    if (!gnutls_x509_crt_get_dn_by_oid(
            certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &length)) {
        add_name(names, text, length);
    }
    add_alternatives(names, certificate);
    gnutls_x509_crt_deinit(certificate);
}

bool xl_tls_is_allowed(const struct xl_tls_names *names,
                       const char *const *patterns)
{
    if (!patterns) {
        return true;
    }
    for (; *patterns; patterns++) {
        for (size_t i = 0; i < names->count; i++) {
            if (!fnmatch(*patterns, names->names[i], FNM_CASEFOLD)) {
                return true;
            }
        }
    }
    return false;
}

void xl_tls_names_show(const struct xl_tls_names *names, char *text,
                       size_t room)
{
    size_t length = 0;

    snprintf(text, room, "no name");
    for (size_t i = 0; i < names->count && length < room; i++) {
        bool again = false;

        for (size_t j = 0; j < i; j++) {
            again |= !strcmp(names->names[i], names->names[j]);
        }
        if (!again) {
            length += snprintf(text + length, room - length, "%s%s",
                               length ? ", " : "", names->names[i]);
        }
    }
}

/* ---- what is wrong with it ---- */

/* The first that applies is told. */
static const struct {
    unsigned int status;
    gnutls_alert_description_t alert;
    const char *what;
} problems[] = {
    {GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED,
     "was revoked by its CA: have the CA sign a new one there"},
    {GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE,
     GNUTLS_A_UNKNOWN_CA,
     "is from a CA that is not in this host's ca-cert.pem: have both hosts' "
     "certificates signed by the same CA"},
    {GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA,
     "is signed by a certificate that is no CA's"},
    {GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED,
     "has expired: have the CA sign a new one there (or is this host's clock "
     "wrong?)"},
    {GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED,
     "is not valid yet: compare the clocks of both hosts"},
    {GNUTLS_CERT_UNEXPECTED_OWNER, GNUTLS_A_BAD_CERTIFICATE, NULL},
    {GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
     "is not for that end: a host that receives needs one for tls_www_server, "
     "a host that sends one for tls_www_client"},
    {GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
     "is signed in a way that is not secure any more"},
    {~0u, GNUTLS_A_BAD_CERTIFICATE, "is not valid"},
};

static void explain_name(gnutls_session_t session, const char *host, char *why)
{
    struct xl_tls_names names;
    char shown[200];

    xl_tls_names_of(session, &names);
    xl_tls_names_show(&names, shown, sizeof(shown));
    snprintf(why, XL_TLS_WHY_MAX,
             "the certificate of %s is for another name (%s): give that one "
             "as HOST, or with --tls-hostname if it is the right host",
             host, shown);
}

static void explain_status(gnutls_session_t session, unsigned int status,
                           const char *host, gnutls_alert_description_t *alert,
                           char *why)
{
    size_t i = 0;

    while (!(problems[i].status & status)) {
        i++;
    }
    *alert = problems[i].alert;
    if (problems[i].what) {
        snprintf(why, XL_TLS_WHY_MAX, "the certificate of %s %s",
                 host ? host : "the host that has connected",
                 problems[i].what);
    } else {
        explain_name(session, host, why);
    }
}

int xl_tls_peer_verify(gnutls_session_t session,
                       const struct xl_tls_credentials *credentials,
                       const char *host, gnutls_alert_description_t *alert,
                       char why[XL_TLS_WHY_MAX])
{
    gnutls_typed_vdata_st wanted[] = {
        {.type = GNUTLS_DT_KEY_PURPOSE_OID,
         .data = (void *)(credentials->end == XL_TLS_CLIENT
                              ? GNUTLS_KP_TLS_WWW_SERVER
                              : GNUTLS_KP_TLS_WWW_CLIENT)},
        {.type = GNUTLS_DT_DNS_HOSTNAME, .data = (void *)host},
    };
    unsigned int status = 0;
    int ret = gnutls_certificate_verify_peers(session, wanted, host ? 2 : 1,
                                              &status);

    if (!ret && !status) {
        return 0;
    }
    if (ret) {
        *alert = GNUTLS_A_CERTIFICATE_REQUIRED;
        snprintf(
            why, XL_TLS_WHY_MAX, "%s sent no certificate that can be read: %s",
            host ? host : "the host that has connected", gnutls_strerror(ret));
        return -1;
    }
    explain_status(session, status, host, alert, why);
    return -1;
}

/* ---- what the other end says is wrong ---- */

static const struct {
    gnutls_alert_description_t alert;
    const char *what;
} alerts[] = {
    {GNUTLS_A_CERTIFICATE_EXPIRED, "has expired, or is not valid yet by the "
                                   "clock there"},
    {GNUTLS_A_CERTIFICATE_REVOKED, "was revoked by its CA"},
    {GNUTLS_A_UNKNOWN_CA, "is from a CA that is not in ca-cert.pem there"},
    {GNUTLS_A_CERTIFICATE_REQUIRED, "did not come"},
    {GNUTLS_A_UNSUPPORTED_CERTIFICATE,
     "is for another purpose, or signed in a "
     "way that is not secure any more"},
    {GNUTLS_A_BAD_CERTIFICATE, "is for another name, or not valid"},
};

void xl_tls_explain_alert(gnutls_alert_description_t alert,
                          const struct xl_tls_credentials *credentials,
                          char why[XL_TLS_WHY_MAX])
{
    const char *name = gnutls_alert_get_name(alert);

    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].alert == alert) {
            snprintf(why, XL_TLS_WHY_MAX,
                     "the other end refuses this host's certificate, "
                     "%.300s/%s-cert.pem: it %s; its log says more",
                     credentials->directory,
                     credentials->end == XL_TLS_CLIENT ? "client" : "server",
                     alerts[i].what);
            return;
        }
    }
    if (alert == GNUTLS_A_PROTOCOL_VERSION ||
        alert == GNUTLS_A_HANDSHAKE_FAILURE) {
        snprintf(why, XL_TLS_WHY_MAX,
                 "the other end does not speak TLS 1.3 with a cipher that "
                 "this host accepts: is it an xl migrate-listen?");
    } else if (alert == GNUTLS_A_NO_APPLICATION_PROTOCOL) {
        snprintf(why, XL_TLS_WHY_MAX,
                 "the other end speaks TLS, but receives no guests: is it the "
                 "right port?");
    } else {
        snprintf(why, XL_TLS_WHY_MAX,
                 "the other end has refused the connection (%s): its log says "
                 "more",
                 name ? name : "without a reason");
    }
}
