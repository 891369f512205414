/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration in xenstore: where its nodes are and what they hold.  See
 * docs/specs/live-migrate-control.md.
 */
#ifndef LM_CONTROL_STORE_H
#define LM_CONTROL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <xenstore.h>

#include "libxl_live_migrate.h"
#include "xlm.h"

#define LM_STORE_VERSION "1"
#define LM_STORE_PATH_MAX 160
/* The longest value of one of our nodes ... */
#define LM_STORE_VALUE_MAX (LIBXL_LIVE_MIGRATE_REASON_MAX + 16)

/* ... and of one that holds a list of numbers. */
#define LM_STORE_LIST_MAX (LIBXL_LIVE_MIGRATE_WAIT_VCPUS * 21 + 1)

/* How many numbers a mark has. */
#define LM_STORE_MARK 3

/* /libxl/<domid>/live-migrate, with "/node" behind it unless that is NULL. */
void lm_store_path(char path[LM_STORE_PATH_MAX], uint32_t domid,
                   const char *node);

/* The counters that are shown, and the names of their nodes. */
struct lm_store_counter {
    const char *name;
    size_t offset; /* in libxl_live_migrate_stats, or _outside */
};
extern const struct lm_store_counter lm_store_counters[];
extern const size_t lm_store_nr_counters;

static inline uint64_t *lm_store_counter(
    libxl_live_migrate_stats *stats, const struct lm_store_counter *counter)
{
    return (uint64_t *)((char *)stats + counter->offset);
}

/* The same for libxl_live_migrate_outside. */
extern const struct lm_store_counter lm_store_outside[];
extern const size_t lm_store_nr_outside;

static inline uint64_t *lm_store_outside_counter(
    libxl_live_migrate_outside *outside,
    const struct lm_store_counter *counter)
{
    return (uint64_t *)((char *)outside + counter->offset);
}

/* The value for a name of the interface; -1: unknown. */
int lm_store_role(const char *name);
int lm_store_state(const char *name);
int lm_store_phase(const char *name);
int lm_store_build(const char *name);

/* Read a node as text, which the caller must free; NULL: there is none. */
char *lm_store_read(struct xs_handle *xs, xs_transaction_t transaction,
                    uint32_t domid, const char *node);

/* Read a node of a migration: the number, or 0; the name's value, or -1. */
uint64_t lm_store_read_number(struct xs_handle *xs, uint32_t domid,
                              const char *node);
int lm_store_read_name(struct xs_handle *xs, xs_transaction_t transaction,
                       uint32_t domid, const char *node,
                       int (*number_of)(const char *name));

/* Read into a buffer of fixed size; empty when there is no such node. */
void lm_store_read_text(struct xs_handle *xs, xs_transaction_t transaction,
                        uint32_t domid, const char *node, char *text,
                        size_t room);

/* Reads as many numbers as there are and as fit; returns how many. */
size_t lm_store_read_list(struct xs_handle *xs, xs_transaction_t transaction,
                          uint32_t domid, const char *node, uint64_t *numbers,
                          size_t room);

/* How the source's domain was marked: not set when there is no such node. */
struct xlm_mark lm_store_read_mark(struct xs_handle *xs,
                                   xs_transaction_t transaction,
                                   uint32_t domid);

/* When a process began, in the kernel's ticks: with its number this names one
 * process and no other.  0: there is no such process. */
uint64_t lm_process_start(pid_t pid);
/* Do the nodes say that a process works on the migration, provided that it
 * lives?  It runs, or waits at the destination for its source. */
bool lm_store_is_busy(struct xs_handle *xs, xs_transaction_t transaction,
                      uint32_t domid);
/* Remove all nodes of a migration whose process has died, as the process would
 * have done when the guest was complete. */
void lm_store_forget(uint32_t domid);
/* Does the process that the nodes of a migration name live? */
bool lm_store_owner_lives(struct xs_handle *xs, xs_transaction_t transaction,
                          uint32_t domid);

#endif
