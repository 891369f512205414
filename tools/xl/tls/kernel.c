/* SPDX-License-Identifier: LGPL-2.1-or-later
 * TLS that the kernel does on a socket.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tls.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#define PROTOCOL "tls"
/* Of RFC 8446, 6. */
#define ALERT_RECORD 21
#define WARNING 1
#define CLOSE_NOTIFY 0
#define NONCE_SIZE 12

/* ---- keys ---- */

/* Where the kernel expects the parts of a key, for each cipher: the first
 * octets of the nonce are its salt, the rest its iv. */
static const struct layout {
    gnutls_cipher_algorithm_t cipher;
    unsigned short type;
    size_t size, key_size, salt_size;
    size_t iv, key, salt, sequence;
} layouts[] = {
#define LAYOUT(gnutls_name, type_name, record) \
    { \
        .cipher = (gnutls_name), .type = (type_name), \
        .size = sizeof(struct record), \
        .key_size = sizeof(((struct record *)NULL)->key), \
        .salt_size = NONCE_SIZE - sizeof(((struct record *)NULL)->iv), \
        .iv = offsetof(struct record, iv), \
        .key = offsetof(struct record, key), \
        .salt = offsetof(struct record, salt), \
        .sequence = offsetof(struct record, rec_seq) \
    }
    LAYOUT(GNUTLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_GCM_128,
           tls12_crypto_info_aes_gcm_128),
    LAYOUT(GNUTLS_CIPHER_AES_256_GCM, TLS_CIPHER_AES_GCM_256,
           tls12_crypto_info_aes_gcm_256),
#ifdef TLS_CIPHER_CHACHA20_POLY1305
    LAYOUT(GNUTLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305,
           tls12_crypto_info_chacha20_poly1305),
#endif
};

_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) <= XL_TLS_KEYS_MAX,
               "the largest");

static const struct layout *layout_of(gnutls_session_t session)
{
    gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(session);

    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        if (layouts[i].cipher == cipher) {
            return &layouts[i];
        }
    }
    return NULL;
}

size_t xl_tls_kernel_keys(gnutls_session_t session, bool read,
                          unsigned char keys[XL_TLS_KEYS_MAX])
{
    const struct tls_crypto_info info = {.version = TLS_1_3_VERSION};
    const struct layout *layout = layout_of(session);
    gnutls_datum_t mac, nonce, key;
    unsigned char sequence[8];

    if (!layout ||
        gnutls_record_get_state(session, read, &mac, &nonce, &key, sequence) ||
        nonce.size != NONCE_SIZE || key.size != layout->key_size) {
        return 0;
    }
    memset(keys, 0, XL_TLS_KEYS_MAX);
    memcpy(keys, &info, sizeof(info));
    memcpy(keys + offsetof(struct tls_crypto_info, cipher_type), &layout->type,
           sizeof(layout->type));
    memcpy(keys + layout->key, key.data, key.size);
    memcpy(keys + layout->salt, nonce.data, layout->salt_size);
    memcpy(keys + layout->iv, nonce.data + layout->salt_size,
           NONCE_SIZE - layout->salt_size);
    memcpy(keys + layout->sequence, sequence, sizeof(sequence));
    return layout->size;
}

/* ---- handing over ---- */

bool xl_tls_kernel_can(gnutls_session_t session, int fd)
{
    return layout_of(session) && !gnutls_record_check_pending(session) &&
           !setsockopt(fd, IPPROTO_TCP, TCP_ULP, PROTOCOL, sizeof(PROTOCOL));
}

static int set_keys(gnutls_session_t session, int fd, bool read)
{
    unsigned char keys[XL_TLS_KEYS_MAX];
    size_t size = xl_tls_kernel_keys(session, read, keys);
    int ret;

    if (!size) {
        errno = EOPNOTSUPP;
        return -1;
    }
    ret = setsockopt(fd, SOL_TLS, read ? TLS_RX : TLS_TX, keys, size);
    explicit_bzero(keys, sizeof(keys));
    return ret;
}

int xl_tls_kernel_take(gnutls_session_t session, int fd)
{
    if (gnutls_record_check_pending(session) || set_keys(session, fd, false)) {
        return 1;
    }
    if (set_keys(session, fd, true)) {
        return -1;
    }
    /* The session wanted it, and who uses the socket from now on may not. */
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ? -1 : 0;
}

/* ---- the end ---- */

static bool is_ours(int fd)
{
    char name[16] = "";
    socklen_t length = sizeof(name) - 1;

    return !getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &length) &&
           !strcmp(name, PROTOCOL);
}

union type_of_record {
    struct cmsghdr header;
    char octets[CMSG_SPACE(sizeof(unsigned char))];
};

void xl_tls_kernel_say_end(int fd)
{
    unsigned char alert[] = {WARNING, CLOSE_NOTIFY};
    struct iovec part = {alert, sizeof(alert)};
    union type_of_record type = {.octets = ""};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &type,
        .msg_controllen = sizeof(type),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    if (!is_ours(fd)) {
        return;
    }
    header->cmsg_level = SOL_TLS;
    header->cmsg_type = TLS_SET_RECORD_TYPE;
    header->cmsg_len = CMSG_LEN(sizeof(unsigned char));
    *CMSG_DATA(header) = ALERT_RECORD;
    message.msg_controllen = header->cmsg_len;
    (void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum xl_tls_how xl_tls_kernel_how_ended(int fd)
{
    unsigned char octets[64];
    struct iovec part = {octets, sizeof(octets)};
    union type_of_record type = {.octets = ""};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &type,
        .msg_controllen = sizeof(type),
    };
    struct cmsghdr *header;
    ssize_t got;

    if (!is_ours(fd)) {
        return XL_TLS_NOT_ENDED;
    }
    got = recvmsg(fd, &message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return XL_TLS_NOT_ENDED;
    }
    header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == TLS_GET_RECORD_TYPE &&
        *CMSG_DATA(header) == ALERT_RECORD && got >= 2 &&
        octets[1] == CLOSE_NOTIFY) {
        return XL_TLS_ENDED;
    }
    return got > 0 ? XL_TLS_NOT_ENDED : XL_TLS_CUT;
}
