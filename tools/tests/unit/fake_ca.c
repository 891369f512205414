/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A CA, and directories with the certificates that it has signed.
 */
#include "fake_ca.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void must(int ret)
{
    if (ret < 0) {
        fprintf(stderr, "a certificate for the tests: %s\n",
                gnutls_strerror(ret));
        abort();
    }
}

static const char *end_name(enum xl_tls_end end)
{
    return end == XL_TLS_CLIENT ? "client" : "server";
}

static void put_file(const char *directory, const char *name,
                     const gnutls_datum_t *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    unlink(path);
    file = fopen(path, "we");
    if (!file || fwrite(text->data, text->size, 1, file) != 1) {
        abort();
    }
    fclose(file);
    chmod(path, 0600);
}

static gnutls_x509_privkey_t make_key(void)
{
    gnutls_x509_privkey_t key;

    must(gnutls_x509_privkey_init(&key));
    must(gnutls_x509_privkey_generate(
        key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
        0));
    return key;
}

static gnutls_x509_crt_t make_certificate(gnutls_x509_privkey_t key,
                                          const char *name, int from, int to)
{
    static unsigned char serial;
    unsigned char number[] = {1, ++serial};
    gnutls_x509_crt_t certificate;

    must(gnutls_x509_crt_init(&certificate));
    must(gnutls_x509_crt_set_version(certificate, 3));
    must(gnutls_x509_crt_set_serial(certificate, number, sizeof(number)));
    must(gnutls_x509_crt_set_key(certificate, key));
    must(gnutls_x509_crt_set_activation_time(certificate, time(NULL) + from));
    must(gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + to));
    must(gnutls_x509_crt_set_dn_by_oid(
        certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, strlen(name)));
    return certificate;
}

void fake_ca_make(struct fake_ca *ca)
{
    ca->key = make_key();
    ca->certificate =
        make_certificate(ca->key, "A CA", -10 * FAKE_DAY, 10 * FAKE_DAY);
    must(gnutls_x509_crt_set_basic_constraints(ca->certificate, 1, -1));
    must(gnutls_x509_crt_set_key_usage(
        ca->certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    must(gnutls_x509_crt_sign2(ca->certificate, ca->certificate, ca->key,
                               GNUTLS_DIG_SHA256, 0));
}

void fake_ca_forget(struct fake_ca *ca)
{
    gnutls_x509_crt_deinit(ca->certificate);
    gnutls_x509_privkey_deinit(ca->key);
}

/* ---- directories ---- */

void fake_directory_make(char *path)
{
    snprintf(path, PATH_MAX, "%s", "/tmp/xl-tls.XXXXXX");
    if (!mkdtemp(path)) {
        abort();
    }
}

void fake_directory_remove(const char *path)
{
    static const char *const names[] = {
        "ca-cert.pem",    "ca-crl.pem",      "client-cert.pem",
        "client-key.pem", "server-cert.pem", "server-key.pem",
    };
    char file[PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
}

static void put_certificate(const char *directory, const char *name,
                            gnutls_x509_crt_t certificate)
{
    gnutls_datum_t text;

    must(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text));
    put_file(directory, name, &text);
    gnutls_free(text.data);
}

static void put_key(const char *directory, const char *name,
                    gnutls_x509_privkey_t key)
{
    gnutls_datum_t text;

    must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text));
    put_file(directory, name, &text);
    gnutls_free(text.data);
}

static void add_alternative(gnutls_x509_crt_t certificate, const char *name)
{
    struct in_addr address;

    if (inet_pton(AF_INET, name, &address) == 1) {
        must(gnutls_x509_crt_set_subject_alt_name(
            certificate, GNUTLS_SAN_IPADDRESS, &address, sizeof(address),
            GNUTLS_FSAN_SET));
    } else {
        must(gnutls_x509_crt_set_subject_alt_name(
            certificate, GNUTLS_SAN_DNSNAME, name, strlen(name),
            GNUTLS_FSAN_SET));
    }
}

void fake_ca_fill(const struct fake_ca *ca, const char *directory,
                  enum xl_tls_end end, const struct fake_certificate *wanted)
{
    gnutls_x509_privkey_t key = make_key();
    gnutls_x509_crt_t certificate =
        make_certificate(key, wanted->common_name, wanted->from, wanted->to);
    const char *purpose = wanted->purpose;
    char name[32];

    if (!purpose) {
        purpose = end == XL_TLS_CLIENT ? GNUTLS_KP_TLS_WWW_CLIENT
                                       : GNUTLS_KP_TLS_WWW_SERVER;
    }
    must(gnutls_x509_crt_set_key_purpose_oid(certificate, purpose, 0));
    must(gnutls_x509_crt_set_key_usage(certificate,
                                       GNUTLS_KEY_DIGITAL_SIGNATURE));
    if (wanted->alternative) {
        add_alternative(certificate, wanted->alternative);
    }
    must(gnutls_x509_crt_sign2(certificate, ca->certificate, ca->key,
                               GNUTLS_DIG_SHA256, 0));
    put_certificate(directory, "ca-cert.pem", ca->certificate);
    snprintf(name, sizeof(name), "%s-cert.pem", end_name(end));
    put_certificate(directory, name, certificate);
    snprintf(name, sizeof(name), "%s-key.pem", end_name(end));
    put_key(directory, name, key);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

void fake_ca_revoke(const struct fake_ca *ca, const char *directory,
                    enum xl_tls_end end, const char *of)
{
    struct xl_tls_credentials credentials;
    gnutls_x509_crt_t *chain;
    gnutls_x509_crl_t list;
    gnutls_datum_t text;
    unsigned int count;

    fake_credentials_load(&credentials, of, end);
    must(
        gnutls_certificate_get_x509_crt(credentials.files, 0, &chain, &count));
    must(gnutls_x509_crl_init(&list));
    must(gnutls_x509_crl_set_version(list, 2));
    must(gnutls_x509_crl_set_this_update(list, time(NULL) - FAKE_DAY));
    must(gnutls_x509_crl_set_next_update(list, time(NULL) + FAKE_DAY));
    must(gnutls_x509_crl_set_crt(list, chain[0], time(NULL) - FAKE_DAY));
    must(gnutls_x509_crl_set_number(list, "\1", 1));
    must(gnutls_x509_crl_sign2(list, ca->certificate, ca->key,
                               GNUTLS_DIG_SHA256, 0));
    must(gnutls_x509_crl_export2(list, GNUTLS_X509_FMT_PEM, &text));
    put_file(directory, "ca-crl.pem", &text);
    gnutls_free(text.data);
    gnutls_x509_crl_deinit(list);
    gnutls_x509_crt_deinit(chain[0]);
    gnutls_free(chain);
    xl_tls_credentials_free(&credentials);
}

void fake_credentials_load(struct xl_tls_credentials *credentials,
                           const char *directory, enum xl_tls_end end)
{
    char ca[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX];

    *credentials = (struct xl_tls_credentials){
        .end = end,
        .directory = directory,
    };
    snprintf(ca, sizeof(ca), "%s/ca-cert.pem", directory);
    snprintf(certificate, sizeof(certificate), "%s/%s-cert.pem", directory,
             end_name(end));
    snprintf(key, sizeof(key), "%s/%s-key.pem", directory, end_name(end));
    must(gnutls_certificate_allocate_credentials(&credentials->files));
    must(gnutls_certificate_set_x509_trust_file(credentials->files, ca,
                                                GNUTLS_X509_FMT_PEM));
    if (!access(certificate, F_OK)) {
        must(gnutls_certificate_set_x509_key_file(
            credentials->files, certificate, key, GNUTLS_X509_FMT_PEM));
    }
}
