/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A CA, and directories with certificates that it has signed, made for each
 * test.
 */
#ifndef FAKE_CA_H
#define FAKE_CA_H

#include <gnutls/x509.h>

#include "tls/credentials.h"

struct fake_ca {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

/* The names and purpose in the certificate, and from when to when it is valid,
 * in seconds from now. */
struct fake_certificate {
    const char *common_name;
    const char *alternative; /* a name of a host, or an address; NULL: none */
    int from, to;
    const char *purpose; /* NULL: the purpose of its end */
};

#define FAKE_DAY (24 * 60 * 60)
#define FAKE_NAMED(name) \
    { \
        .common_name = (name), .alternative = (name), .from = -FAKE_DAY, \
        .to = FAKE_DAY \
    }

void fake_ca_make(struct fake_ca *ca);
void fake_ca_forget(struct fake_ca *ca);

/* Make a new directory and write its path to path, of PATH_MAX;
 * fake_directory_remove() removes it. */
void fake_directory_make(char *path);
void fake_directory_remove(const char *path);

/* Put the CA's certificate into the directory, and a certificate with its key
 * for one end. */
void fake_ca_fill(const struct fake_ca *ca, const char *directory,
                  enum xl_tls_end end,
                  const struct fake_certificate *certificate);

/* Put a revocation list into the directory, with that end's certificate. */
void fake_ca_revoke(const struct fake_ca *ca, const char *directory,
                    enum xl_tls_end end, const char *of);

/* The credentials of a peer that does not check its own files. */
void fake_credentials_load(struct xl_tls_credentials *credentials,
                           const char *directory, enum xl_tls_end end);

#endif
