/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What this host shows of itself in TLS, and whom it believes.
 */
#include "credentials.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/x509.h>

#define CA_FILE "ca-cert.pem"
#define REVOKED_FILE "ca-crl.pem"

static const struct {
    const char *certificate, *key, *purpose, *template;
} files_of[] = {
    [XL_TLS_CLIENT] = {"client-cert.pem", "client-key.pem",
                       GNUTLS_KP_TLS_WWW_CLIENT, "tls_www_client"},
    [XL_TLS_SERVER] = {"server-cert.pem", "server-key.pem",
                       GNUTLS_KP_TLS_WWW_SERVER, "tls_www_server"},
};

struct path {
    char text[PATH_MAX];
};

static struct path path_of(const struct xl_tls_credentials *credentials,
                           const char *name)
{
    struct path path;

    snprintf(path.text, sizeof(path.text), "%s/%s", credentials->directory,
             name);
    return path;
}

/* ---- files ---- */

static int check_there(const struct xl_tls_credentials *credentials,
                       const char *name, char *why)
{
    struct path path = path_of(credentials, name);

    if (!access(path.text, R_OK)) {
        return 0;
    }
    snprintf(why, XL_TLS_WHY_MAX,
             "%.300s: %s: this end needs " CA_FILE ", %s and %s there",
             path.text, strerror(errno),
             files_of[credentials->end].certificate,
             files_of[credentials->end].key);
    return -1;
}

/* A group may read it: that of QEMU, for which the files are as well. */
static int check_secret(const struct xl_tls_credentials *credentials,
                        const char *name, char *why)
{
    struct path path = path_of(credentials, name);
    struct stat found;

    if (!stat(path.text, &found) &&
        !(found.st_mode & (S_IROTH | S_IWOTH | S_IWGRP))) {
        return 0;
    }
    snprintf(
        why, XL_TLS_WHY_MAX,
        "%.300s is no secret, as other users may read or change it: chmod 600 "
        "it, and make a new key if one of them may have read it",
        path.text);
    return -1;
}

/* `count` certificates were in it. */
static int check_taken(int count, const struct path *path, char *why)
{
    if (count > 0) {
        return 0;
    }
    snprintf(why, XL_TLS_WHY_MAX, "%.300s has no certificate in it: %s",
             path->text, count ? gnutls_strerror(count) : "it is empty");
    return -1;
}

static int read_ca(struct xl_tls_credentials *credentials, char *why)
{
    struct path ca = path_of(credentials, CA_FILE);
    struct path revoked = path_of(credentials, REVOKED_FILE);
    int ret;

    ret = gnutls_certificate_set_x509_trust_file(credentials->files, ca.text,
                                                 GNUTLS_X509_FMT_PEM);
    if (check_taken(ret, &ca, why)) {
        return -1;
    }
    if (access(revoked.text, F_OK) && errno == ENOENT) {
        return 0;
    }
    ret = gnutls_certificate_set_x509_crl_file(
        credentials->files, revoked.text, GNUTLS_X509_FMT_PEM);
    if (ret < 0) {
        snprintf(
            why, XL_TLS_WHY_MAX,
            "%.300s cannot be read: %s: remove it, or have the CA write it "
            "again",
            revoked.text, gnutls_strerror(ret));
        return -1;
    }
    return 0;
}

static int read_own(struct xl_tls_credentials *credentials, char *why)
{
    struct path certificate =
        path_of(credentials, files_of[credentials->end].certificate);
    struct path key = path_of(credentials, files_of[credentials->end].key);
    int ret = gnutls_certificate_set_x509_key_file(
        credentials->files, certificate.text, key.text, GNUTLS_X509_FMT_PEM);

    if (ret >= 0) {
        return 0;
    }
    snprintf(why, XL_TLS_WHY_MAX,
             "%.240s and %.240s are not a certificate and its key: %s",
             certificate.text, key.text, gnutls_strerror(ret));
    return -1;
}

/* ---- our own certificate ---- */

static int check_time(gnutls_x509_crt_t certificate, const struct path *path,
                      char *why)
{
    time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(certificate) < now) {
        snprintf(why, XL_TLS_WHY_MAX,
                 "%.300s has expired: have the CA sign a new certificate",
                 path->text);
        return -1;
    }
    if (gnutls_x509_crt_get_activation_time(certificate) > now) {
        snprintf(why, XL_TLS_WHY_MAX,
                 "%.300s is not valid yet: is this host's clock right?",
                 path->text);
        return -1;
    }
    return 0;
}

static int check_own(const struct xl_tls_credentials *credentials, char *why)
{
    struct path path =
        path_of(credentials, files_of[credentials->end].certificate);
    gnutls_x509_crt_t *chain;
    unsigned int count;
    int ret =
        gnutls_certificate_get_x509_crt(credentials->files, 0, &chain, &count);

    if (ret < 0) {
        return check_taken(ret, &path, why);
    }
    ret = check_time(chain[0], &path, why);
    if (!ret && !gnutls_x509_crt_check_key_purpose(
                    chain[0], files_of[credentials->end].purpose, 0)) {
        snprintf(why, XL_TLS_WHY_MAX,
                 "%.300s is not for this end: have the CA sign one for the "
                 "purpose %s",
                 path.text, files_of[credentials->end].template);
        ret = -1;
    }
    for (unsigned int i = 0; i < count; i++) {
        gnutls_x509_crt_deinit(chain[i]);
    }
    gnutls_free(chain);
    return ret;
}

/* ---- all of it ---- */

static int load(struct xl_tls_credentials *credentials, char *why)
{
    enum xl_tls_end end = credentials->end;

    if (check_there(credentials, CA_FILE, why) ||
        check_there(credentials, files_of[end].certificate, why) ||
        check_there(credentials, files_of[end].key, why) ||
        check_secret(credentials, files_of[end].key, why)) {
        return -1;
    }
    if (gnutls_certificate_allocate_credentials(&credentials->files)) {
        snprintf(why, XL_TLS_WHY_MAX, "out of memory");
        return -1;
    }
    if (read_ca(credentials, why) || read_own(credentials, why) ||
        check_own(credentials, why)) {
        xl_tls_credentials_free(credentials);
        return -1;
    }
    return 0;
}

int xl_tls_credentials_load(struct xl_tls_credentials *credentials,
                            const char *directory, enum xl_tls_end end,
                            char why[XL_TLS_WHY_MAX])
{
    *credentials = (struct xl_tls_credentials){
        .end = end,
        .directory = directory,
    };
    return load(credentials, why);
}

void xl_tls_credentials_free(struct xl_tls_credentials *credentials)
{
    if (credentials->files) {
        gnutls_certificate_free_credentials(credentials->files);
        credentials->files = NULL;
    }
}
