/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pacer.h"

#define CREDIT_PER_PAGE 1000000u

void pacer_start(struct pacer *pacer, uint64_t pages_per_second,
                 uint64_t now_us)
{
    pacer->pages_per_second = pages_per_second;
    pacer->last_us = now_us;
    pacer->credit = 0;
}

unsigned int pacer_take(struct pacer *pacer, uint64_t now_us,
                        unsigned int limit)
{
    uint64_t elapsed_us = now_us - pacer->last_us;
    uint64_t most, due;

    if (pacer->pages_per_second == PACER_UNLIMITED) {
        return limit;
    }
    pacer->last_us = now_us;
    if (elapsed_us > PACER_MEMORY_US) {
        elapsed_us = PACER_MEMORY_US;
    }
    pacer->credit += elapsed_us * pacer->pages_per_second;
    most = PACER_MEMORY_US * pacer->pages_per_second + CREDIT_PER_PAGE;
    if (pacer->credit > most) {
        pacer->credit = most;
    }
    due = pacer->credit / CREDIT_PER_PAGE;
    if (due > limit) {
        due = limit;
    }
    pacer->credit -= due * CREDIT_PER_PAGE;
    return (unsigned int)due;
}
