/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The relay between descriptors and TLS, and how it ends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <gnutls/crypto.h>
#include <linux/tls.h>

#include "fake_tls.h"
#include "watchdog.h"

static int set_up(void **state)
{
    struct fake_tls *tls = fake_tls_new();

    alarm(WATCHDOG_SECONDS);
    fake_tls_load(tls);
    *state = tls;
    return 0;
}

static int tear_down(void **state)
{
    fake_tls_free(*state);
    return 0;
}

static void start(struct fake_tls *tls)
{
    fake_end_start(&tls->server);
    fake_end_start(&tls->client);
}

static void close_plain(struct fake_end *end)
{
    close(end->plain[0]);
    end->plain[0] = -1;
}

static void join(struct fake_tls *tls)
{
    fake_end_join(&tls->client);
    fake_end_join(&tls->server);
}

static void assert_reads(int fd, const char *text)
{
    char got[64] = "";

    assert_int_equal(recv(fd, got, strlen(text), MSG_WAITALL), strlen(text));
    assert_string_equal(got, text);
}

static void assert_ends(int fd)
{
    char octet;

    assert_int_equal(read(fd, &octet, 1), 0);
}

/* ---- octets ---- */

static void both_ways(void **state)
{
    struct fake_tls *tls = *state;

    start(tls);
    assert_int_equal(write(tls->client.plain[0], "a guest", 7), 7);
    assert_reads(tls->server.plain[0], "a guest");
    assert_int_equal(write(tls->server.plain[0], "thanks", 6), 6);
    assert_reads(tls->client.plain[0], "thanks");
    close_plain(&tls->client);
    close_plain(&tls->server);
    join(tls);
    assert_int_equal(tls->client.how, XL_TLS_ENDED);
    assert_int_equal(tls->server.how, XL_TLS_ENDED);
}

/* Only one direction ends, and the other goes on. */
static void a_way_that_ends(void **state)
{
    struct fake_tls *tls = *state;

    start(tls);
    assert_int_equal(write(tls->client.plain[0], "all", 3), 3);
    shutdown(tls->client.plain[0], SHUT_WR);
    assert_reads(tls->server.plain[0], "all");
    assert_ends(tls->server.plain[0]);
    assert_int_equal(write(tls->server.plain[0], "done", 4), 4);
    close_plain(&tls->server);
    assert_reads(tls->client.plain[0], "done");
    assert_ends(tls->client.plain[0]);
    join(tls);
    assert_int_equal(tls->client.how, XL_TLS_ENDED);
    assert_int_equal(tls->server.how, XL_TLS_ENDED);
}

#define MUCH (8u << 20)

struct writer {
    int fd;
    pthread_t thread;
};

static unsigned char octet_at(size_t at)
{
    return (at * 2654435761u) >> 24;
}

static void *write_much(void *data)
{
    const struct writer *writer = data;
    unsigned char octets[10000];

    for (size_t at = 0; at < MUCH;) {
        size_t length =
            MUCH - at < sizeof(octets) ? MUCH - at : sizeof(octets);
        ssize_t put;

        for (size_t i = 0; i < length; i++) {
            octets[i] = octet_at(at + i);
        }
        put = write(writer->fd, octets, length);
        if (put <= 0) {
            return NULL;
        }
        at += put;
    }
    shutdown(writer->fd, SHUT_WR);
    return NULL;
}

static void assert_reads_much(int fd)
{
    unsigned char octets[7777];
    size_t at = 0;
    ssize_t got;

    while ((got = read(fd, octets, sizeof(octets))) > 0) {
        for (ssize_t i = 0; i < got; i++, at++) {
            if (octets[i] != octet_at(at)) {
                fail_msg("octet %zu is another", at);
            }
        }
    }
    assert_int_equal(at, MUCH);
}

/* Both directions at once, more octets than all buffers hold, with new keys
 * meanwhile. */
static void much_of_it(void **state)
{
    struct fake_tls *tls = *state;
    struct writer there, back;

    /* GnuTLS accepts up to eight new keys a second. */
    tls->client.rekey_octets = MUCH / 4;
    start(tls);
    there.fd = tls->client.plain[0];
    back.fd = tls->server.plain[0];
    pthread_create(&there.thread, NULL, write_much, &there);
    assert_reads_much(tls->server.plain[0]);
    pthread_join(there.thread, NULL);
    pthread_create(&back.thread, NULL, write_much, &back);
    assert_reads_much(tls->client.plain[0]);
    pthread_join(back.thread, NULL);
    close_plain(&tls->client);
    close_plain(&tls->server);
    join(tls);
    assert_string_equal(tls->client.tls.why, "");
    assert_string_equal(tls->server.tls.why, "");
}

/* ---- the end ---- */

/* The connection ends without close_notify: the octets that came before still
 * get through. */
static void what_is_cut_off(void **state)
{
    struct fake_tls *tls = *state;

    fake_end_start(&tls->client);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes), 0);
    assert_int_equal(gnutls_record_send(tls->server.tls.session, "last", 4),
                     4);
    shutdown(tls->server.fd, SHUT_WR);
    assert_reads(tls->client.plain[0], "last");
    assert_ends(tls->client.plain[0]);
    fake_end_join(&tls->client);
    assert_int_equal(tls->client.how, XL_TLS_CUT);
    assert_non_null(strstr(tls->client.tls.why, "was cut"));
    assert_non_null(strstr(tls->client.tls.why, "destination.example"));
}

/* The same octets, followed by close_notify. */
static void what_has_ended_well(void **state)
{
    struct fake_tls *tls = *state;

    fake_end_start(&tls->client);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes), 0);
    assert_int_equal(gnutls_record_send(tls->server.tls.session, "last", 4),
                     4);
    assert_int_equal(gnutls_bye(tls->server.tls.session, GNUTLS_SHUT_WR), 0);
    assert_reads(tls->client.plain[0], "last");
    assert_ends(tls->client.plain[0]);
    close_plain(&tls->client);
    fake_end_join(&tls->client);
    assert_int_equal(tls->client.how, XL_TLS_ENDED);
    assert_string_equal(tls->client.tls.why, "");
}

/* An attacker on the way inserts an octet. */
static void what_is_forged(void **state)
{
    static const char record[] = {0x17, 3, 3, 0,  17, 1,  2,  3,  4,  5,  6,
                                  7,    8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    struct fake_tls *tls = *state;

    fake_end_start(&tls->client);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes), 0);
    assert_int_equal(write(tls->server.fd, record, sizeof(record)),
                     sizeof(record));
    assert_ends(tls->client.plain[0]);
    fake_end_join(&tls->client);
    assert_int_equal(tls->client.how, XL_TLS_CUT);
}

/* The local end has closed, and the other end sends nothing. */
static void an_end_that_nobody_here_waits_for(void **state)
{
    struct fake_tls *tls = *state;

    fake_end_start(&tls->client);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes), 0);
    assert_int_equal(write(tls->client.plain[0], "a guest", 7), 7);
    close_plain(&tls->client);
    fake_end_join(&tls->client);
    assert_int_equal(tls->client.how, XL_TLS_ENDED);
}

/* ---- the kernel ---- */

/* The keys that the kernel would get decrypt a record that was sent. */
static void the_keys_of_the_kernel(void **state)
{
    struct fake_tls *tls = *state;
    struct tls12_crypto_info_aes_gcm_128 info;
    unsigned char keys[XL_TLS_KEYS_MAX], record[64], plain[64];
    unsigned char nonce[12];
    gnutls_aead_cipher_hd_t cipher;
    size_t length = sizeof(plain);
    gnutls_datum_t key = {info.key, sizeof(info.key)};
    ssize_t got;

    fake_tls_meet(tls);
    if (gnutls_cipher_get(tls->client.tls.session) !=
        GNUTLS_CIPHER_AES_128_GCM) {
        skip(); /* a processor without AES */
    }
    assert_int_equal(xl_tls_kernel_keys(tls->server.tls.session, true, keys),
                     sizeof(info));
    memcpy(&info, keys, sizeof(info));
    assert_int_equal(info.info.version, TLS_1_3_VERSION);
    assert_int_equal(info.info.cipher_type, TLS_CIPHER_AES_GCM_128);
    gnutls_record_send(tls->client.tls.session, "hello", 5);
    got = recv(tls->server.fd, record, 5 + 5 + 1 + 16, MSG_WAITALL);
    /* The connection is non-blocking: all of a record comes at once. */
    assert_int_equal(got, 5 + 5 + 1 + 16);
    memcpy(nonce, info.salt, 4);
    memcpy(nonce + 4, info.iv, 8);
    for (int i = 0; i < 8; i++) {
        nonce[4 + i] ^= info.rec_seq[i];
    }
    assert_int_equal(
        gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_GCM, &key), 0);
    assert_int_equal(gnutls_aead_cipher_decrypt(cipher, nonce, 12, record, 5,
                                                16, record + 5, got - 5, plain,
                                                &length),
                     0);
    gnutls_aead_cipher_deinit(cipher);
    assert_memory_equal(plain, "hello\x17", 6);
}

/* The kernel of one end encrypts, the other end uses a relay. */
static void the_kernel_at_one_end(void **state)
{
    struct fake_tls *tls = *state;

    tls->server.wishes.kernel = true;
    fake_end_start(&tls->client);
    assert_int_equal(
        xl_tls_open(&tls->server.tls, tls->server.fd, &tls->server.wishes), 0);
    if (!tls->server.tls.for_kernel) {
        print_message("this kernel has no TLS (CONFIG_TLS)\n");
        close_plain(&tls->client);
        close(tls->server.fd);
        tls->server.fd = -1;
        fake_end_join(&tls->client);
        skip();
    }
    assert_int_equal(
        xl_tls_kernel_take(tls->server.tls.session, tls->server.fd), 0);
    assert_false(tls->client.tls.may_rekey);
    assert_int_equal(write(tls->client.plain[0], "a guest", 7), 7);
    assert_reads(tls->server.fd, "a guest");
    assert_int_equal(write(tls->server.fd, "thanks", 6), 6);
    assert_reads(tls->client.plain[0], "thanks");
    shutdown(tls->client.plain[0], SHUT_WR);
    xl_tls_kernel_say_end(tls->server.fd);
    assert_ends(tls->client.plain[0]);
    close_plain(&tls->client);
    fake_end_join(&tls->client);
    assert_int_equal(tls->client.how, XL_TLS_ENDED);
    assert_int_equal(xl_tls_kernel_how_ended(tls->server.fd), XL_TLS_ENDED);
}

/* A descriptor without TLS is left unchanged. */
static void no_kernel(void **state)
{
    struct fake_tls *tls = *state;
    char octet;

    xl_tls_kernel_say_end(tls->client.fd);
    assert_int_equal(recv(tls->server.fd, &octet, 1, MSG_DONTWAIT), -1);
    assert_int_equal(xl_tls_kernel_how_ended(tls->client.fd),
                     XL_TLS_NOT_ENDED);
    assert_int_equal(xl_tls_kernel_how_ended(STDIN_FILENO), XL_TLS_NOT_ENDED);
}

#define MET(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MET(both_ways),
        MET(a_way_that_ends),
        MET(much_of_it),
        MET(what_is_cut_off),
        MET(what_has_ended_well),
        MET(what_is_forged),
        MET(an_end_that_nobody_here_waits_for),
        MET(the_keys_of_the_kernel),
        MET(the_kernel_at_one_end),
        MET(no_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
