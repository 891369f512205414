/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A TLS connection between two hosts, until it carries a migration.
 *
 *   client                      server
 *   ClientHello  ------------>            1. who speaks TLS at all
 *                <------------  its certificate: verified, with its name
 *   its certificate --------->            2. verified, and its purpose
 *                               3. its names, by the list of peers
 *                <------------  WELCOME, or a reason
 *                <------------  the migration's greeting
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel.h"
#include "prologue.h"
#include "utf8.h"

/* Records of TLS have a type in their first octet. */
#define FIRST_RECORD_TYPE 20
#define LAST_RECORD_TYPE 23

#define PROTOCOL "xen-postcopy/1"
/* The first record of a server: a word, and after a refusal why. */
#define WELCOME 'W'
#define WELCOME_ONE_KEY 'K' /* its kernel reads, which knows no second key */
#define REFUSED 'R'

/* Only ciphers that kernels know as well; the first where the processor does
 * AES. */
#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL"
static const char priorities_aes[] =
    PRIORITIES ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305";
static const char priorities_soft[] =
    PRIORITIES ":+CHACHA20-POLY1305:+AES-128-GCM:+AES-256-GCM";

/* ---- failing ---- */

static int __attribute__((format(printf, 2, 3)))
fail(struct xl_tls *tls, const char *format, ...)
{
    va_list args;

    if (!tls->why[0]) {
        va_start(args, format);
        vsnprintf(tls->why, sizeof(tls->why), format, args);
        va_end(args);
    }
    return -1;
}

static bool is_client(const struct xl_tls *tls)
{
    return tls->credentials->end == XL_TLS_CLIENT;
}

static const char *other_end(const struct xl_tls *tls)
{
    return tls->host ? tls->host : "the host that has connected";
}

static int fail_by_time(struct xl_tls *tls)
{
    return fail(tls,
                "%s did not finish the TLS handshake within %d "
                "seconds: is the link slow, or the port another program's?",
                other_end(tls), XL_TLS_SECONDS);
}

static int fail_in_clear(struct xl_tls *tls)
{
    return is_client(tls)
               ? fail(tls,
                      "%s answers without TLS: start what listens there with "
                      "--tls, or leave --tls out here",
                      other_end(tls))
               : fail(tls, "the host that has connected does not speak TLS: "
                           "has its xl migrate no --tls?");
}

/* What GnuTLS says of a handshake; what was verified has said its own. */
static int fail_by(struct xl_tls *tls, int error)
{
    switch (error) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        if (!tls->why[0]) {
            xl_tls_explain_alert(gnutls_alert_get(tls->session),
                                 tls->credentials, tls->why);
        }
        return -1;
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
        return fail_in_clear(tls);
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_NO_CIPHER_SUITES:
        return fail(
            tls,
            "%s does not speak TLS 1.3 with a cipher that this host accepts",
            other_end(tls));
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        return fail(tls,
                    "%s sent no certificate: it needs client-cert.pem and "
                    "client-key.pem in its directory of --tls",
                    other_end(tls));
    case GNUTLS_E_NO_APPLICATION_PROTOCOL:
        return fail(tls,
                    "%s speaks TLS, but not for migrations: is it the "
                    "right port?",
                    other_end(tls));
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        return fail(tls,
                    "%s closed the connection during the TLS handshake: its "
                    "log says why",
                    other_end(tls));
    default:
        return fail(tls, "TLS with %s has failed: %s", other_end(tls),
                    gnutls_strerror(error));
    }
}

/* ---- waiting ---- */

bool xl_tls_is_spoken(unsigned char octet)
{
    return octet >= FIRST_RECORD_TYPE && octet <= LAST_RECORD_TYPE;
}

/* The first octet of the other end, which stays to be read: 1, it speaks TLS;
 * 0, something else; -1 with errno. */
static int peek(int fd)
{
    unsigned char octet;
    ssize_t got = recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);

    if (!got) {
        errno = ECONNRESET;
    }
    return got == 1 ? xl_tls_is_spoken(octet) : -1;
}

/* For what the session waits for. */
static int await(struct xl_tls *tls)
{
    short events =
        gnutls_record_get_direction(tls->session) ? POLLOUT : POLLIN;

    if (!xl_await_until(tls->fd, events, tls->deadline)) {
        return 0;
    }
    return errno == ETIMEDOUT ? fail_by_time(tls)
                              : fail(tls, "poll: %s", strerror(errno));
}

static int fail_to_hear(struct xl_tls *tls)
{
    return fail(tls, "%s has closed the connection without a word",
                other_end(tls));
}

/* A client that waits to be spoken to would wait for minutes. */
static int await_hello(struct xl_tls *tls, const char *answer)
{
    uint64_t patience = xl_deadline(XL_TLS_SILENCE_SECONDS);
    int spoken = 0;

    if (!xl_await_until(tls->fd, POLLIN,
                        patience < tls->deadline ? patience : tls->deadline)) {
        spoken = peek(tls->fd);
    }
    if (spoken > 0) {
        return 0;
    }
    if (spoken < 0) {
        return fail_to_hear(tls);
    }
    if (answer) {
        (void)send(tls->fd, answer, strlen(answer),
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return fail_in_clear(tls);
}

/* ---- the handshake ---- */

static int verify(gnutls_session_t session)
{
    struct xl_tls *tls = gnutls_session_get_ptr(session);

    return xl_tls_peer_verify(session, tls->credentials, tls->host,
                              &tls->alert, tls->why)
               ? GNUTLS_E_CERTIFICATE_ERROR
               : 0;
}

static int set_up(struct xl_tls *tls)
{
    static const gnutls_datum_t protocol = {(unsigned char *)PROTOCOL,
                                            sizeof(PROTOCOL) - 1};
    bool client = is_client(tls);
    /* No tickets: the kernel takes them for something wrong. */
    int ret = gnutls_init(
        &tls->session,
        (client ? GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT : GNUTLS_SERVER) |
            GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
            GNUTLS_NO_AUTO_REKEY);

    if (ret) {
        tls->session = NULL;
        return ret;
    }
    gnutls_session_set_ptr(tls->session, tls);
    gnutls_session_set_verify_function(tls->session, verify);
    gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
    gnutls_transport_set_int(tls->session, tls->fd);
    ret = gnutls_priority_set_direct(
        tls->session,
        __builtin_cpu_supports("aes") ? priorities_aes : priorities_soft,
        NULL);
    if (!ret) {
        ret = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
                                     tls->credentials->files);
    }
    if (!ret) {
        ret = gnutls_alpn_set_protocols(tls->session, &protocol, 1,
                                        GNUTLS_ALPN_MANDATORY);
    }
    return ret;
}

static void tell_why(struct xl_tls *tls, int error)
{
    if (tls->alert) {
        gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, tls->alert);
    } else {
        gnutls_alert_send_appropriate(tls->session, error);
    }
}

static int shake_hands(struct xl_tls *tls)
{
    int ret;

    while ((ret = gnutls_handshake(tls->session)) < 0) {
        if (gnutls_error_is_fatal(ret)) {
            fail_by(tls, ret);
            tell_why(tls, ret);
            return -1;
        }
        if (ret == GNUTLS_E_AGAIN && await(tls)) {
            return -1;
        }
    }
    return 0;
}

/* A server's client may have chosen no protocol at all. */
static int check_protocol(struct xl_tls *tls)
{
    gnutls_datum_t chosen;

    return gnutls_alpn_get_selected_protocol(tls->session, &chosen)
               ? fail_by(tls, GNUTLS_E_NO_APPLICATION_PROTOCOL)
               : 0;
}

/* ---- the first record ---- */

static int send_record(struct xl_tls *tls, const char *octets, size_t length)
{
    ssize_t ret = gnutls_record_send(tls->session, octets, length);

    while (ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED) {
        if (await(tls)) {
            return -1;
        }
        ret = gnutls_record_send(tls->session, NULL, 0);
    }
    return ret < 0 ? fail_by(tls, ret) : 0;
}

/* The reason goes to a host that the CA knows. */
static int refuse(struct xl_tls *tls, const struct xl_tls_wishes *wishes)
{
    char names[200], reason[XL_TLS_WHY_MAX];
    int length;

    xl_tls_names_show(&tls->peer, names, sizeof(names));
    reason[0] = REFUSED;
    length = 1 + snprintf(reason + 1, sizeof(reason) - 1,
                          "no name of this host's certificate (%s) is among "
                          "the peers of the other end: add one to %s there",
                          names, wishes->peers_where);
    (void)send_record(tls, reason, length);
    (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    return fail(tls,
                "a host whose certificate is for %s has connected, which is "
                "not among the peers: add it to %s if it may send guests here",
                names, wishes->peers_where);
}

static int welcome(struct xl_tls *tls, const struct xl_tls_wishes *wishes)
{
    const char word = tls->for_kernel ? WELCOME_ONE_KEY : WELCOME;

    xl_tls_names_of(tls->session, &tls->peer);
    if (!xl_tls_is_allowed(&tls->peer, wishes->peers)) {
        return refuse(tls, wishes);
    }
    tls->may_rekey = false; /* little goes that way */
    return send_record(tls, &word, 1);
}

static int await_welcome(struct xl_tls *tls)
{
    char record[XL_TLS_WHY_MAX] = "", shown[XL_TLS_WHY_MAX];
    ssize_t got;

    while ((got = gnutls_record_recv(tls->session, record,
                                     sizeof(record) - 1)) < 0) {
        if (gnutls_error_is_fatal(got)) {
            return fail_by(tls, got);
        }
        if (await(tls)) {
            return -1;
        }
    }
    xl_tls_names_of(tls->session, &tls->peer);
    tls->may_rekey = record[0] == WELCOME;
    if (got == 1 && (record[0] == WELCOME || record[0] == WELCOME_ONE_KEY)) {
        return 0;
    }
    if (record[0] != REFUSED) {
        return fail_by(tls, GNUTLS_E_PREMATURE_TERMINATION);
    }
    lm_utf8_show(shown, sizeof(shown), record + 1);
    return fail(tls, "%s", shown);
}

/* ---- all of it ---- */

static int make_nonblocking(struct xl_tls *tls)
{
    int flags = fcntl(tls->fd, F_GETFL);

    return flags < 0 || fcntl(tls->fd, F_SETFL, flags | O_NONBLOCK) < 0
               ? fail(tls, "TLS needs a socket: %s", strerror(errno))
               : 0;
}

static int open_session(struct xl_tls *tls, const struct xl_tls_wishes *wishes)
{
    int ret;

    if (make_nonblocking(tls) ||
        (!is_client(tls) && await_hello(tls, wishes->clear_answer))) {
        return -1;
    }
    ret = set_up(tls);
    if (ret) {
        return fail_by(tls, ret);
    }
    if (shake_hands(tls) || check_protocol(tls)) {
        return -1;
    }
    tls->for_kernel =
        wishes->kernel && xl_tls_kernel_can(tls->session, tls->fd);
    return is_client(tls) ? await_welcome(tls) : welcome(tls, wishes);
}

int xl_tls_open(struct xl_tls *tls, int fd, const struct xl_tls_wishes *wishes)
{
    *tls = (struct xl_tls){
        .credentials = wishes->credentials,
        .fd = fd,
        .host = wishes->host,
        .deadline = wishes->deadline,
    };
    return open_session(tls, wishes);
}

void xl_tls_close(struct xl_tls *tls)
{
    if (tls->session) {
        gnutls_deinit(tls->session);
        tls->session = NULL;
    }
}
