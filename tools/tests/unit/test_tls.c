/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which hosts a host accepts over TLS, and what it says when it refuses
 * one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_tls.h"
#include "watchdog.h"

static int set_up(void **state)
{
    alarm(WATCHDOG_SECONDS);
    *state = fake_tls_new();
    return 0;
}

static int tear_down(void **state)
{
    fake_tls_free(*state);
    return 0;
}

#define assert_says(why, text) \
    do { \
        if (!strstr((why), (text))) { \
            fail_msg("'%s' does not say '%s'", (why), (text)); \
        } \
    } while (0)

/* The client does not check its own files, as a careless peer. */
static void load_carelessly(struct fake_tls *tls)
{
    fake_credentials_load(&tls->client.credentials, tls->client.directory,
                          XL_TLS_CLIENT);
    fake_credentials_load(&tls->server.credentials, tls->server.directory,
                          XL_TLS_SERVER);
}

static void assert_refused(const struct fake_tls *tls, const char *client_says,
                           const char *server_says)
{
    assert_int_equal(tls->client.ret, -1);
    assert_int_equal(tls->server.ret, -1);
    assert_says(tls->client.tls.why, client_says);
    assert_says(tls->server.tls.why, server_says);
}

/* ---- who is believed ---- */

static void both_are_believed(void **state)
{
    struct fake_tls *tls = *state;

    fake_tls_load(tls);
    fake_tls_meet(tls);
    assert_string_equal(tls->client.tls.why, "");
    assert_string_equal(tls->server.tls.why, "");
    assert_int_equal(tls->client.ret, 0);
    assert_int_equal(tls->server.ret, 0);
    assert_string_equal(tls->client.tls.peer.names[0], "destination.example");
    assert_string_equal(tls->server.tls.peer.names[0], "source.example");
    assert_int_equal(gnutls_protocol_get_version(tls->client.tls.session),
                     GNUTLS_TLS1_3);
    assert_true(tls->client.tls.may_rekey);
}

static void a_host_by_its_address(void **state)
{
    struct fake_tls *tls = *state;
    const struct fake_certificate addressed = {
        .common_name = "destination",
        .alternative = "10.0.0.2",
        .from = -FAKE_DAY,
        .to = FAKE_DAY,
    };

    fake_ca_fill(&tls->ca, tls->server.directory, XL_TLS_SERVER, &addressed);
    tls->client.wishes.host = "10.0.0.2";
    fake_tls_load(tls);
    fake_tls_meet(tls);
    assert_int_equal(tls->client.ret, 0);
    assert_string_equal(tls->client.tls.peer.names[1], "10.0.0.2");
}

static void a_server_of_another_name(void **state)
{
    struct fake_tls *tls = *state;

    tls->client.wishes.host = "elsewhere.example";
    fake_tls_load(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "is for another name (destination.example)",
                   "refuses this host's certificate");
    assert_says(tls->client.tls.why, "--tls-hostname");
    assert_says(tls->server.tls.why, "server-cert.pem");
}

static void a_server_that_has_expired(void **state)
{
    struct fake_tls *tls = *state;
    struct fake_certificate old = FAKE_NAMED("destination.example");

    old.to = -1;
    fake_ca_fill(&tls->ca, tls->server.directory, XL_TLS_SERVER, &old);
    load_carelessly(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "destination.example has expired",
                   "server-cert.pem: it has expired");
}

static void a_client_that_has_expired(void **state)
{
    struct fake_tls *tls = *state;
    struct fake_certificate old = FAKE_NAMED("source.example");

    old.to = -1;
    fake_ca_fill(&tls->ca, tls->client.directory, XL_TLS_CLIENT, &old);
    load_carelessly(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "client-cert.pem: it has expired",
                   "the host that has connected has expired");
}

static void a_client_without_a_certificate(void **state)
{
    struct fake_tls *tls = *state;
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/client-cert.pem", tls->client.directory);
    unlink(path);
    load_carelessly(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "client-cert.pem: it did not come",
                   "sent no certificate");
}

/* A certificate for a server must not serve for a client. */
static void a_certificate_of_another_purpose(void **state)
{
    struct fake_tls *tls = *state;
    struct fake_certificate wrong = FAKE_NAMED("source.example");

    wrong.purpose = GNUTLS_KP_TLS_WWW_SERVER;
    fake_ca_fill(&tls->ca, tls->client.directory, XL_TLS_CLIENT, &wrong);
    load_carelessly(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "for another purpose", "is not for that end");
}

static void a_client_of_another_ca(void **state)
{
    struct fake_tls *tls = *state;
    const struct fake_certificate named = FAKE_NAMED("source.example");
    char ca[PATH_MAX + 32], kept[PATH_MAX + 32];
    struct fake_ca other;

    fake_ca_make(&other);
    snprintf(ca, sizeof(ca), "%s/ca-cert.pem", tls->client.directory);
    snprintf(kept, sizeof(kept), "%s/ca-crl.pem", tls->client.directory);
    assert_int_equal(rename(ca, kept), 0);
    fake_ca_fill(&other, tls->client.directory, XL_TLS_CLIENT, &named);
    assert_int_equal(rename(kept, ca), 0); /* the client accepts the server */
    load_carelessly(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "not in ca-cert.pem there",
                   "not in this host's ca-cert.pem");
    fake_ca_forget(&other);
}

static void a_client_that_was_revoked(void **state)
{
    struct fake_tls *tls = *state;

    fake_ca_revoke(&tls->ca, tls->server.directory, XL_TLS_CLIENT,
                   tls->client.directory);
    fake_tls_load(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "was revoked", "was revoked by its CA");
}

/* ---- the list of peers ---- */

static void a_client_that_is_not_on_the_list(void **state)
{
    static const char *const peers[] = {"other.example", "*.elsewhere", NULL};
    struct fake_tls *tls = *state;

    tls->server.wishes.peers = peers;
    fake_tls_load(tls);
    fake_tls_meet(tls);
    assert_refused(tls, "(source.example) is among the peers",
                   "for source.example has connected");
    assert_says(tls->client.tls.why, "add one to the list there");
    assert_says(tls->server.tls.why, "add it to the list");
}

static void a_client_that_is_on_the_list(void **state)
{
    static const char *const peers[] = {"other", "SOURCE.*", NULL};
    struct fake_tls *tls = *state;

    tls->server.wishes.peers = peers;
    fake_tls_load(tls);
    fake_tls_meet(tls);
    assert_int_equal(tls->client.ret, 0);
    assert_int_equal(tls->server.ret, 0);
}

static void an_empty_list(void **state)
{
    static const char *const nobody[] = {NULL};
    static const char *const anybody[] = {"*", NULL};
    const struct xl_tls_names named = {.count = 1, .names = {"a"}};
    const struct xl_tls_names nameless = {.count = 0};

    (void)state;
    assert_false(xl_tls_is_allowed(&named, nobody));
    assert_true(xl_tls_is_allowed(&named, anybody));
    assert_false(xl_tls_is_allowed(&nameless, anybody));
}

/* ---- other peers ---- */

struct other_peer {
    int fd;
    const char *priorities;
    struct xl_tls_credentials *credentials;
    int ret;
};

/* A client with these versions, and without ALPN. */
static void *open_otherwise(void *data)
{
    struct other_peer *peer = data;
    gnutls_session_t session;
    bool client = peer->credentials->end == XL_TLS_CLIENT;

    gnutls_init(&session, client ? GNUTLS_CLIENT : GNUTLS_SERVER);
    gnutls_priority_set_direct(session, peer->priorities, NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                           peer->credentials->files);
    gnutls_transport_set_int(session, peer->fd);
    do {
        peer->ret = gnutls_handshake(session);
    } while (peer->ret < 0 && !gnutls_error_is_fatal(peer->ret));
    if (peer->ret) {
        gnutls_alert_send_appropriate(session, peer->ret);
    }
    shutdown(peer->fd, SHUT_WR);
    gnutls_deinit(session);
    return NULL;
}

#define OLD_TLS "NORMAL:-VERS-ALL:+VERS-TLS1.2"

/* `ours` opens the connection; at the other end is an older program. */
static void refuse_an_old(struct fake_tls *tls, struct fake_end *old,
                          struct fake_end *ours)
{
    struct other_peer peer = {
        .fd = old->fd,
        .priorities = OLD_TLS,
        .credentials = &old->credentials,
    };
    pthread_t thread;

    fake_tls_load(tls);
    pthread_create(&thread, NULL, open_otherwise, &peer);
    assert_int_equal(xl_tls_open(&ours->tls, ours->fd, &ours->wishes), -1);
    assert_says(ours->tls.why, "does not speak TLS 1.3");
    pthread_join(thread, NULL);
    assert_true(peer.ret < 0);
}

static void an_old_client(void **state)
{
    struct fake_tls *tls = *state;

    refuse_an_old(tls, &tls->client, &tls->server);
}

static void an_old_server(void **state)
{
    struct fake_tls *tls = *state;

    refuse_an_old(tls, &tls->server, &tls->client);
}

/* The client has a certificate of the CA, but uses another protocol. */
static void a_client_that_wants_something_else(void **state)
{
    struct fake_tls *tls = *state;
    struct other_peer peer = {
        .fd = tls->client.fd,
        .priorities = "NORMAL",
        .credentials = &tls->client.credentials,
    };
    pthread_t thread;

    fake_tls_load(tls);
    pthread_create(&thread, NULL, open_otherwise, &peer);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes),
        -1);
    assert_says(tls->server.tls.why, "not for migrations");
    pthread_join(thread, NULL);
}

#define ANSWER "TLS is spoken here\n"

static void a_client_that_speaks_in_clear(void **state)
{
    struct fake_tls *tls = *state;
    char answer[64] = "";

    fake_tls_load(tls);
    tls->server.wishes.clear_answer = ANSWER;
    assert_int_equal(write(tls->client.fd, "GET / HTTP/1.1", 14), 14);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes),
        -1);
    assert_says(tls->server.tls.why, "does not speak TLS");
    assert_says(tls->server.tls.why, "--tls");
    assert_int_equal(read(tls->client.fd, answer, sizeof(answer)),
                     strlen(ANSWER));
    assert_string_equal(answer, ANSWER);
}

/* An xl migrate without --tls does that. */
static void a_client_that_waits_to_be_spoken_to(void **state)
{
    struct fake_tls *tls = *state;
    char answer[64] = "";

    fake_tls_load(tls);
    tls->server.wishes.clear_answer = ANSWER;
    tls->server.wishes.deadline = FAKE_OVER;
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes),
        -1);
    assert_says(tls->server.tls.why, "has its xl migrate no --tls?");
    assert_int_equal(read(tls->client.fd, answer, sizeof(answer)),
                     strlen(ANSWER));
}

static void a_server_that_speaks_in_clear(void **state)
{
    struct fake_tls *tls = *state;

    fake_tls_load(tls);
    assert_int_equal(write(tls->server.fd, "xl postcopy\n", 12), 12);
    assert_int_equal(
        xl_tls_open(&tls->client.tls, tls->client.fd, &tls->client.wishes),
        -1);
    assert_says(tls->client.tls.why,
                "destination.example answers without TLS: start what listens "
                "there with --tls");
}

static void a_server_that_closes_at_once(void **state)
{
    struct fake_tls *tls = *state;

    fake_tls_load(tls);
    shutdown(tls->server.fd, SHUT_WR);
    assert_int_equal(
        xl_tls_open(&tls->client.tls, tls->client.fd, &tls->client.wishes),
        -1);
    assert_says(tls->client.tls.why, "closed the connection");
}

/* ---- deadlines ---- */

static void a_server_that_stands_still(void **state)
{
    struct fake_tls *tls = *state;

    fake_tls_load(tls);
    tls->client.wishes.deadline = FAKE_OVER;
    assert_int_equal(
        xl_tls_open(&tls->client.tls, tls->client.fd, &tls->client.wishes),
        -1);
    assert_says(tls->client.tls.why, "within 30 seconds");
}

/* The client has sent one octet of a TLS record, and no more. */
static void a_client_that_stands_still(void **state)
{
    static const char record[] = {0x16, 3, 1, 0x40, 0};
    struct fake_tls *tls = *state;

    fake_tls_load(tls);
    assert_int_equal(write(tls->client.fd, record, sizeof(record)),
                     sizeof(record));
    tls->server.wishes.deadline = FAKE_OVER;
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes),
        -1);
    assert_says(tls->server.tls.why, "within 30 seconds");
}

/* ---- a host's own files ---- */

static void assert_not_loaded(const struct fake_end *end,
                              enum xl_tls_end which, const char *says)
{
    struct xl_tls_credentials credentials;
    char why[XL_TLS_WHY_MAX] = "";

    assert_int_equal(
        xl_tls_credentials_load(&credentials, end->directory, which, why), -1);
    assert_says(why, says);
    xl_tls_credentials_free(&credentials);
}

static void files_that_are_not_there(void **state)
{
    struct fake_tls *tls = *state;

    assert_not_loaded(&tls->client, XL_TLS_SERVER,
                      "server-cert.pem: No such file");
    assert_not_loaded(&tls->client, XL_TLS_SERVER,
                      "needs ca-cert.pem, server-cert.pem and server-key.pem");
}

static void a_key_that_is_no_secret(void **state)
{
    struct fake_tls *tls = *state;
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/client-key.pem", tls->client.directory);
    assert_int_equal(chmod(path, 0644), 0);
    assert_not_loaded(&tls->client, XL_TLS_CLIENT, "chmod 600");
    assert_int_equal(chmod(path, 0640), 0); /* QEMU's group */
    fake_tls_load(tls);
}

static void an_own_certificate_that_is_no_good(void **state)
{
    struct fake_tls *tls = *state;
    struct fake_certificate bad = FAKE_NAMED("source.example");

    bad.to = -1;
    fake_ca_fill(&tls->ca, tls->client.directory, XL_TLS_CLIENT, &bad);
    assert_not_loaded(&tls->client, XL_TLS_CLIENT, "has expired");
    bad.from = FAKE_DAY;
    bad.to = 2 * FAKE_DAY;
    fake_ca_fill(&tls->ca, tls->client.directory, XL_TLS_CLIENT, &bad);
    assert_not_loaded(&tls->client, XL_TLS_CLIENT, "not valid yet");
    bad.from = -FAKE_DAY;
    bad.purpose = GNUTLS_KP_TLS_WWW_SERVER;
    fake_ca_fill(&tls->ca, tls->client.directory, XL_TLS_CLIENT, &bad);
    assert_not_loaded(&tls->client, XL_TLS_CLIENT, "tls_www_client");
}

static void a_key_of_another_certificate(void **state)
{
    struct fake_tls *tls = *state;
    char there[PATH_MAX + 32], here[PATH_MAX + 32];

    snprintf(there, sizeof(there), "%s/server-key.pem", tls->server.directory);
    snprintf(here, sizeof(here), "%s/client-key.pem", tls->client.directory);
    assert_int_equal(rename(there, here), 0);
    assert_not_loaded(&tls->client, XL_TLS_CLIENT,
                      "not a certificate and its key");
}

#define MET(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MET(both_are_believed),
        MET(a_host_by_its_address),
        MET(a_server_of_another_name),
        MET(a_server_that_has_expired),
        MET(a_client_that_has_expired),
        MET(a_client_without_a_certificate),
        MET(a_certificate_of_another_purpose),
        MET(a_client_of_another_ca),
        MET(a_client_that_was_revoked),
        MET(a_client_that_is_not_on_the_list),
        MET(a_client_that_is_on_the_list),
        cmocka_unit_test(an_empty_list),
        MET(an_old_client),
        MET(an_old_server),
        MET(a_client_that_wants_something_else),
        MET(a_client_that_speaks_in_clear),
        MET(a_client_that_waits_to_be_spoken_to),
        MET(a_server_that_speaks_in_clear),
        MET(a_server_that_closes_at_once),
        MET(a_server_that_stands_still),
        MET(a_client_that_stands_still),
        MET(files_that_are_not_there),
        MET(a_key_that_is_no_secret),
        MET(an_own_certificate_that_is_no_good),
        MET(a_key_of_another_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
