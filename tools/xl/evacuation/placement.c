/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guest goes to which host.
 */
#include "placement.h"

#include <inttypes.h>
#include <stdio.h>

/* The room of a host that does not say how much it has. */
#define ANY_ROOM (UINT64_MAX / 4)

/* What is left of a host's room: of its free memory, and together with what
 * its dom0 gives. */
struct room {
    uint64_t free_kb;
    uint64_t all_kb;
    size_t guests;
};

static bool waits(const struct xl_guest *guest)
{
    return guest->fate == XL_FATE_WAITS && guest->job == XL_JOB_MOVE;
}

static uint64_t less(uint64_t kb, uint64_t by)
{
    return kb > by ? kb - by : 0;
}

static struct room room_of(const struct xl_evacuation *evacuation, int number)
{
    const struct xl_host *host = &evacuation->hosts[number];
    uint64_t free_kb = host->knows_room ? host->free_kb : ANY_ROOM;
    uint64_t more_kb = host->knows_room ? host->more_kb : 0;
    uint64_t promised = 0;
    size_t guests = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];

        if (guest->host != number || guest->fate == XL_FATE_STAYS) {
            continue;
        }
        guests++;
        promised += guest->counted ? 0 : guest->needed_kb;
    }
    return (struct room){less(free_kb, promised),
                         less(free_kb + more_kb, promised), guests};
}

static bool takes(const struct xl_evacuation *evacuation, int number,
                  const struct xl_guest *guest)
{
    return evacuation->hosts[number].state == XL_HOST_OPEN &&
           !(guest->tried & UINT64_C(1) << number);
}

/* Free memory is better than memory that a dom0 has to give up; of two hosts
 * with the same, the one with fewer guests is. */
static bool is_better(const struct room *one, const struct room *other,
                      uint64_t needed_kb, bool close)
{
    bool is_free = one->free_kb >= needed_kb;
    uint64_t left = is_free ? one->free_kb : one->all_kb;
    uint64_t others = is_free ? other->free_kb : other->all_kb;

    if (is_free != (other->free_kb >= needed_kb)) {
        return is_free;
    }
    if (left == others) {
        return one->guests < other->guests;
    }
    return close ? left < others : left > others;
}

static int choose_host(const struct xl_evacuation *evacuation,
                       const struct xl_guest *guest, bool close)
{
    int found = XL_NO_HOST;
    struct room best = {.guests = 0};

    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        struct room room = room_of(evacuation, i);

        if (takes(evacuation, i, guest) && room.all_kb >= guest->needed_kb &&
            (found == XL_NO_HOST ||
             is_better(&room, &best, guest->needed_kb, close))) {
            found = i;
            best = room;
        }
    }
    return found;
}

static struct xl_guest *largest_without(struct xl_evacuation *evacuation,
                                        uint64_t below, size_t after)
{
    struct xl_guest *found = NULL;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        struct xl_guest *guest = &evacuation->guests[i];

        if (!waits(guest) || guest->needed_kb > below ||
            (guest->needed_kb == below && i < after)) {
            continue;
        }
        if (!found || guest->needed_kb > found->needed_kb) {
            found = guest;
        }
    }
    return found;
}

/* Large guests first, so that small ones fill the gaps.  Returns how many
 * guests found no host. */
static size_t place_all(struct xl_evacuation *evacuation, bool close)
{
    uint64_t below = UINT64_MAX;
    size_t after = 0, without = 0;
    struct xl_guest *guest;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        if (waits(&evacuation->guests[i])) {
            evacuation->guests[i].host = XL_NO_HOST;
        }
    }
    while ((guest = largest_without(evacuation, below, after))) {
        guest->host = choose_host(evacuation, guest, close);
        without += guest->host == XL_NO_HOST;
        below = guest->needed_kb;
        after = guest - evacuation->guests + 1;
    }
    return without;
}

void xl_place(struct xl_evacuation *evacuation)
{
    size_t without = place_all(evacuation, false);

    if (without && place_all(evacuation, true) >= without) {
        (void)place_all(evacuation, false);
    }
}

/* ---- why not ---- */

static size_t count_open(const struct xl_evacuation *evacuation,
                         const struct xl_guest *guest)
{
    size_t count = 0;

    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        count += takes(evacuation, i, guest);
    }
    return count;
}

static uint64_t most_room(const struct xl_evacuation *evacuation,
                          const struct xl_guest *guest)
{
    uint64_t most = 0;

    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        struct room room = room_of(evacuation, i);

        if (takes(evacuation, i, guest) && room.all_kb > most) {
            most = room.all_kb;
        }
    }
    return most;
}

/* What a host has said that takes none. */
static const char *closed_why(const struct xl_evacuation *evacuation)
{
    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        if (evacuation->hosts[i].state == XL_HOST_CLOSED) {
            return evacuation->hosts[i].why;
        }
    }
    return "";
}

void xl_place_explain(const struct xl_evacuation *evacuation,
                      const struct xl_guest *guest, char why[XL_WHY_MAX])
{
    if (count_open(evacuation, guest)) {
        snprintf(why, XL_WHY_MAX,
                 "no host has room for it: it needs %" PRIu64
                 " MiB, and the most that is left is %" PRIu64 " MiB",
                 (guest->needed_kb + 1023) / 1024,
                 most_room(evacuation, guest) / 1024);
    } else if (guest->why[0]) { /* from the host that has refused it */
        snprintf(why, XL_WHY_MAX, "%s", guest->why);
    } else {
        snprintf(why, XL_WHY_MAX, "no host takes guests now%s%.400s",
                 closed_why(evacuation)[0] ? ": " : "",
                 closed_why(evacuation));
    }
}
