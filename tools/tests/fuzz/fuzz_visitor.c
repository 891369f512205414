/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes the first octets of a connection, and a source's wishes.
 */
#include <string.h>

#include "fuzz_peer.h"
#include "save_header.h"
#include "tls/session.h"
#include "visitor.h"
#include "wishes.h"

/* More octets never change the kind of a visitor, unless it was unclear. */
static void check_visitor(const uint8_t *octets, size_t length)
{
    enum xl_visitor before = XL_VISITOR_UNCLEAR, now;

    for (size_t i = 0; i <= length && i <= 2 * XL_VISITOR_OCTETS; i++) {
        now = xl_visitor_of(octets, i);
        fuzz_require(before == XL_VISITOR_UNCLEAR || now == before);
        before = now;
    }
    fuzz_require(length < XL_VISITOR_OCTETS || before != XL_VISITOR_UNCLEAR);
    fuzz_require(before != XL_VISITOR_GUEST ||
                 !memcmp(octets, XL_SAVE_MAGIC, XL_VISITOR_OCTETS));
    fuzz_require(before != XL_VISITOR_TLS || xl_tls_is_spoken(octets[0]));
}

static void check_wishes(const uint8_t *octets, size_t length)
{
    struct xl_options options;
    struct xl_wishes wishes;

    if (length < sizeof(wishes)) {
        return;
    }
    memcpy(&wishes, octets, sizeof(wishes));
    if (xl_wishes_check(&wishes)) {
        return;
    }
    xl_options_init(&options, XL_COMMAND_RECEIVE);
    xl_wishes_grant(&wishes, &options);
    /* Wishes must not set what only the receiver itself decides. */
    fuzz_require(!options.policy && !options.peers && !options.tls &&
                 !options.trace && !options.recover);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    check_visitor(octets, length);
    check_wishes(octets, length);
    return 0;
}
