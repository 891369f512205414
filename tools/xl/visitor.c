/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a visitor wants.
 */
#include "visitor.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "prologue.h"
#include "rdma/agree.h"
#include "save_header.h"
#include "wishes.h"

/* How often to look again when too few octets have come. */
#define LOOK_AGAIN_NS 10000000

/* The first octets of each kind: none is the beginning of another. */
static const struct {
    enum xl_visitor visitor;
    size_t length;
    const char *octets;
} beginnings[] = {
    {XL_VISITOR_GUEST, 4, XL_SAVE_MAGIC},
    {XL_VISITOR_WISHES, 4, XL_WISHES_MAGIC},
    /* Records of the libxc stream: POSTCOPY_RECOVER, POSTCOPY_CHANNEL,
     * POSTCOPY_STREAM. */
    {XL_VISITOR_AGAIN, 4, "\x26\0\0\0"},
    {XL_VISITOR_AGAIN, 4, "\x29\0\0\0"},
    {XL_VISITOR_AGAIN, 4, "\x32\0\0\0"},
    /* A handshake, of whatever version. */
    {XL_VISITOR_TLS, 2, "\x16\x03"},
    {XL_VISITOR_RDMA, 4, XL_RDMA_MAGIC},
};

enum xl_visitor xl_visitor_of(const void *octets, size_t length)
{
    bool unclear = false;

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        size_t wanted = beginnings[i].length;

        if (!memcmp(octets, beginnings[i].octets,
                    length < wanted ? length : wanted)) {
            if (length >= wanted) {
                return beginnings[i].visitor;
            }
            unclear = true;
        }
    }
    return unclear ? XL_VISITOR_UNCLEAR : XL_VISITOR_UNKNOWN;
}

int xl_visitor_await(int fd, uint64_t deadline)
{
    const struct timespec moment = {.tv_nsec = LOOK_AGAIN_NS};
    enum xl_visitor visitor = XL_VISITOR_UNCLEAR;
    char octets[XL_VISITOR_OCTETS];
    ssize_t got;

    while (visitor == XL_VISITOR_UNCLEAR) {
        if (xl_await_until(fd, POLLIN, deadline)) {
            return -1;
        }
        got = recv(fd, octets, sizeof(octets), MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && errno == ENOTSOCK) {
            return XL_VISITOR_GUEST;
        }
        if (!got) {
            errno = ECONNRESET;
        }
        if (!got || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return -1;
        }
        visitor = got > 0 ? xl_visitor_of(octets, got) : XL_VISITOR_UNCLEAR;
        if (visitor == XL_VISITOR_UNCLEAR && !xl_left_ms(deadline)) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (visitor == XL_VISITOR_UNCLEAR) {
            nanosleep(&moment, NULL);
        }
    }
    return visitor;
}
