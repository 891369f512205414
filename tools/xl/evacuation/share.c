/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How much of the link each guest may have.
 */
#include "share.h"

static bool is_under_way(const struct xl_guest *guest)
{
    return guest->fate == XL_FATE_UNDER_WAY;
}

/* The guests that have the link now or will have it next: no guest has to be
 * lowered for one that was foreseen. */
static uint64_t how_many(const struct xl_evacuation *evacuation)
{
    uint64_t moves = 0, waiting = 0, others = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];
        bool waits = guest->fate == XL_FATE_WAITS;

        switch (guest->job) {
        case XL_JOB_MOVE:
            moves += is_under_way(guest);
            waiting += waits && guest->host != XL_NO_HOST;
            break;
        case XL_JOB_FOLLOW:
            moves += waits || is_under_way(guest);
            break;
        case XL_JOB_RECOVER:
            others += waits || is_under_way(guest);
            break;
        }
    }
    if (moves < evacuation->parallel) {
        uint64_t turns = evacuation->parallel - moves;

        moves += waiting < turns ? waiting : turns;
    }
    return moves + others;
}

static uint64_t fair_part(const struct xl_evacuation *evacuation)
{
    uint64_t count = how_many(evacuation);
    uint64_t part = evacuation->rate / (count ? count : 1);

    return part ? part : 1; /* 0 would hold it for ever */
}

static uint64_t given(const struct xl_evacuation *evacuation)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];

        /* A process of others that does not answer holds no guest up. */
        if (!is_under_way(guest) ||
            (guest->job == XL_JOB_FOLLOW && guest->deaf)) {
            continue;
        }
        sum = guest->rate > UINT64_MAX - sum ? UINT64_MAX : sum + guest->rate;
    }
    return sum;
}

static uint64_t left(const struct xl_evacuation *evacuation)
{
    uint64_t sum = given(evacuation);

    return evacuation->rate > sum ? evacuation->rate - sum : 0;
}

bool xl_share_to_start(const struct xl_evacuation *evacuation, uint64_t *rate)
{
    *rate = evacuation->rate;
    if (evacuation->rate == XL_UNLIMITED) {
        return true;
    }
    *rate = fair_part(evacuation);
    return left(evacuation) >= *rate;
}

static bool can_be_set(const struct xl_guest *guest)
{
    return is_under_way(guest) && guest->seen && !guest->deaf;
}

static void set_rate(struct xl_action *action, size_t guest, uint64_t rate)
{
    *action = (struct xl_action){
        .what = XL_DO_RATE, .guest = guest, .host = XL_NO_HOST, .rate = rate};
}

bool xl_share_lower(const struct xl_evacuation *evacuation,
                    struct xl_action *action)
{
    uint64_t part = fair_part(evacuation);

    for (size_t i = 0;
         evacuation->rate != XL_UNLIMITED && i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];

        if (can_be_set(guest) && guest->rate > part) {
            set_rate(action, i, part);
            return true;
        }
    }
    return false;
}

bool xl_share_raise(const struct xl_evacuation *evacuation,
                    struct xl_action *action)
{
    uint64_t part = fair_part(evacuation);

    for (size_t i = 0;
         evacuation->rate != XL_UNLIMITED && i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];

        if (can_be_set(guest) && guest->rate < part &&
            part - guest->rate <= left(evacuation)) {
            set_rate(action, i, part);
            return true;
        }
    }
    return false;
}
