/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pages under test: filled, rewritten, checked.
 *
 * Writing goes in rounds, and in each round every page of the working set is
 * written once.  So the record of generations can be checked against two
 * numbers, the round and how far it has come: a record page that migrated
 * badly does not vouch for the data pages that it describes.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "lock.h"
#include "options.h"

/*
 * The first vCPU writes and checks; others check at the same time, also a page
 * that is just being written.  So a page that looks wrong is checked once more
 * under the lock, which every write holds.
 */
struct workload {
    struct frames frames;
    uint64_t pages;
    uint64_t working_set; /* the first so many of them are rewritten */
    bool random_order;
    uint32_t *generation; /* the record, one entry per page */

    uint32_t round;
    uint64_t round_written;
    uint64_t order_state;
    uint64_t jump_state;
    uint64_t check_position;
    uint64_t pass_errors; /* found in the pass under way */
    uint64_t image_checksum;

    uint64_t written;
    uint64_t checked;
    uint64_t jumps;
    uint64_t errors;
    uint64_t passes;

    struct lock lock;
    uint64_t at[OPTIONS_MOST_VCPUS]; /* the page each is at, plus one */
};

/* Writes the first generation of every page. */
void workload_fill(struct workload *work);

/* Each page is checked, then written anew. */
void workload_write(struct workload *work, unsigned int pages);

/* Checks the next pages; prints a line after the last one of all. */
void workload_check(struct workload *work, unsigned int pages);

/* For another vCPU: checks one page; true if it was right, and *met tells
 * whether another vCPU was at the same page when that was done. */
bool workload_check_one(struct workload *work, unsigned int vcpu,
                        uint64_t position, bool *met);

/* Reads and checks one word after the other, each in a page anywhere.  Only
 * when no page has been written again. */
void workload_jump(struct workload *work, unsigned int jumps);

/* Lets the next full pass start at the first page. */
void workload_restart_pass(struct workload *work);

/* Breaks a page in every way that the checks must notice. */
void workload_corrupt(struct workload *work);

#endif
