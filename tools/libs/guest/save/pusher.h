/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the parts of the postcopy phase share at the source; private to them.
 *
 * push.c      what goes next, and sending it
 * requests.c  what the destination says
 *
 * One thread does both: what comes is heard between two sendings, so that it
 * takes no other thread to wake up for a request or for credit.  It is also
 * heard while a sending has to wait, else both ends could wait for each other.
 */
#ifndef XLM_SAVE_PUSHER_H
#define XLM_SAVE_PUSHER_H

#include "hypervisor/source_memory.h"
#include "policy/push_plan.h"
#include "policy/push_window.h"
#include "save/faults.h"
#include "save/saver.h"
#include "save/shared.h"
#include "wire/page_batch.h"
#include "wire/record.h"

/* What the destination has said. */
struct xlm_learned {
    bool running;              /* the guest runs ... */
    uint64_t running_us;       /* ... on this connection then, or 0 */
    bool complete;             /* it has agreed that it has everything */
    bool gone;                 /* the guest has ended over there */
    uint64_t heard_us;         /* when it said something last */
    uint64_t crossed_requests; /* their pages had been sent by then */
    uint64_t queue_most;       /* requests that waited at a time, at most */
    uint64_t unsent;           /* pages dropped by the guest, never sent */
    bool news; /* the next two came and were not taken over yet */
    struct xlm_wire_stats told;
    uint64_t told_blocked_us[XLM_WIRE_WAIT_VCPUS];
};

/* What is on its way and not answered. */
struct xlm_under_way {
    struct xlm_push_window window;
    bool ended;       /* we said that it has everything */
    uint64_t due_us;  /* since when it owes us an answer, if it does */
    uint64_t said_us; /* when we last said that we are alive */
};

struct xlm_pusher {
    struct xlm_saver *saver;
    struct xlm_source_memory memory;
    struct xlm_page_batch batch;
    struct xlm_record record; /* the one that is heard */
    struct xlm_learned learned;
    struct xlm_under_way sent;
    struct xlm_push_shared shared; /* with threads of further connections */
};

/* Wait for a record of the destination, and take it. */
int xlm_pusher_hear(struct xlm_pusher *pusher);
/* Take what has come, without waiting for more. */
int xlm_pusher_hear_all(struct xlm_pusher *pusher);
/* How long it may say nothing, and that it is heard while we wait to write:
 * from here on. */
void xlm_pusher_listen(struct xlm_pusher *pusher);
/* -1 with a reason: it has said nothing for too long. */
int xlm_pusher_check_silence(struct xlm_pusher *pusher);

#endif
