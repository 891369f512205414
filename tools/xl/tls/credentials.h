/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What this host shows of itself in TLS, and whom it believes: a directory of
 * files as QEMU's and libvirt's tls-creds-x509 has them.
 *
 *   ca-cert.pem                       whose certificates are believed
 *   ca-crl.pem                        which of them no more; may be absent
 *   server-cert.pem, server-key.pem   of a host that receives
 *   client-cert.pem, client-key.pem   of a host that sends
 */
#ifndef XL_TLS_CREDENTIALS_H
#define XL_TLS_CREDENTIALS_H

#include <gnutls/gnutls.h>

/* Where they are, unless --tls names another directory. */
#ifndef XL_TLS_DIRECTORY
#define XL_TLS_DIRECTORY "/etc/pki/xen-postcopy"
#endif

/* Room for the reason of a failure, a phrase for a person that says what to
 * do. */
#define XL_TLS_WHY_MAX 640

enum xl_tls_end {
    XL_TLS_CLIENT, /* has connected: a host that sends */
    XL_TLS_SERVER, /* was connected to */
};

struct xl_tls_credentials {
    enum xl_tls_end end;
    const char *directory; /* the caller's, and has to stay */
    gnutls_certificate_credentials_t files;
};

#define XL_TLS_NO_CREDENTIALS ((struct xl_tls_credentials){.files = NULL})

/*
 * Read the files of one end, and see that the other end can be content with
 * them: a key that others may read, or a certificate that has expired or is
 * for something else, is refused here and not there.  0, or -1 with the reason
 * in why.
 */
int xl_tls_credentials_load(struct xl_tls_credentials *credentials,
                            const char *directory, enum xl_tls_end end,
                            char why[XL_TLS_WHY_MAX]);

/* Harmless on XL_TLS_NO_CREDENTIALS, and twice. */
void xl_tls_credentials_free(struct xl_tls_credentials *credentials);

#endif
