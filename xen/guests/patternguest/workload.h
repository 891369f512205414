/*
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

struct workload {
    struct frames frames;
    uint64_t pages;
    uint64_t working_set;    /* the first so many of them are rewritten */
    bool random_order;
    uint32_t *generation;    /* the record, one entry per page */

    uint32_t round;
    uint64_t round_written;
    uint64_t order_state;
    uint64_t check_position;
    uint64_t pass_errors;    /* found in the pass under way */
    uint64_t image_checksum;

    uint64_t written;
    uint64_t checked;
    uint64_t errors;
    uint64_t passes;
};

/* Writes the first generation of every page. */
void workload_fill(struct workload *work);

/* Each page is checked, then written anew. */
void workload_write(struct workload *work, unsigned int pages);

/* Checks the next pages; prints a line after the last one of all. */
void workload_check(struct workload *work, unsigned int pages);

/* Lets the next full pass start at the first page. */
void workload_restart_pass(struct workload *work);

/* Breaks a page in every way that the checks must notice. */
void workload_corrupt(struct workload *work);

#endif
