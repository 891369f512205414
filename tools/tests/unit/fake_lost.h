/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A move whose connection or receiver is lost, and what the fake xenstore says
 * of it.
 */
#ifndef FAKE_LOST_H
#define FAKE_LOST_H

#include <stdint.h>

#include "fake_move.h"
#include "fake_xenstore.h"

#define NAME "guest"
#define INCOMING "guest--incoming"
#define AWAY "guest--migratedaway"
#define CUT(where, record, after) \
    ((struct fake_cut){ \
        .way = where, .octets = after, .at_record = true, .type = record})

extern const struct fake_cut fake_uncut;

/* What the domain's node of live-migrate says; NULL: there is none. */
const char *fake_kept(uint32_t domid, const char *node);
/* NULL: the domain's own node. */
void fake_keep(uint32_t domid, const char *node, const char *value);
/* Wait for the status that another thread shows; the alarm ends a test that
 * waits for ever. */
void fake_await_kept(uint32_t domid, const char *node, const char *value);

/* The domain's id at the next destination; empty: the source's id. */
extern uint8_t fake_uuid_there[16];
/* Check what the front end of the guest's disk is told at the destination. */
void fake_expect_trusted(struct fake_move *move, const char *value);

struct fake_move *fake_lost_new(struct fake_cut cut);

/* The connection is lost after the go; the receiving call is under way. */
void fake_lose_link(struct fake_move *move);
struct fake_move *fake_lose(struct fake_cut cut);
/* The same, `octets` into the push; and its receiver has read the go.  Before
 * that, another connection would make the receiver give the guest up. */
struct fake_move *fake_lose_in_push(uint64_t octets);
/* Recover over another connection, and check that the guest is whole. */
void fake_check_recovered(struct fake_move *move);

/* The receiver dies as far as others can see: it closes its files, and cannot
 * be reached.  Its call goes on, in a world of its own. */
void fake_kill_receiver(struct fake_move *move);
/* The connection is lost in the push, and then the receiver. */
struct fake_move *fake_lose_receiver(uint64_t link_timeout);
/* The call of the dead receiver finds that the guest is gone, and ends. */
void fake_bury(struct fake_move *move);

#endif
