/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Many guests at a time from this host to others: which state each guest is
 * in, and what to do next.  Pure: the caller does what xl_evacuation_next()
 * says, and tells the result by the functions below it.
 *
 *   WAITS -> UNDER_WAY -> GONE, SHELL, STAYS, PAUSED or LOST
 *
 * A guest that one host has refused goes back to WAITS, for another host.  So
 * does a guest that a recovery has taken back, and a followed one that stays
 * here: both have to be moved.
 */
#ifndef XL_EVACUATION_H
#define XL_EVACUATION_H

#include "evacuees.h"

/* Begin, without guests.  The options' hosts must stay. */
void xl_evacuation_init(struct xl_evacuation *evacuation,
                        const struct xl_options *options);
void xl_evacuation_free(struct xl_evacuation *evacuation);

/* Add a guest, of which the caller sets what it knows.  Must not be called
 * after xl_evacuation_next().  NULL: no memory. */
struct xl_guest *xl_evacuation_add(struct xl_evacuation *evacuation,
                                   uint32_t domid, const char *name,
                                   enum xl_job job);

/* The host of this name. A host that the command line does not name is added,
 * for recoveries only; the name must stay.  XL_NO_HOST: there are too many. */
int xl_evacuation_host(struct xl_evacuation *evacuation, const char *name);

/* Sort the guests by their turns, and keep the order of those that tie. */
void xl_evacuation_sort(struct xl_evacuation *evacuation);

/* ---- what to do ---- */

/* What to do at this moment.  A start counts as done: when it fails, call
 * xl_evacuation_ended(). */
struct xl_action xl_evacuation_next(struct xl_evacuation *evacuation,
                                    uint64_t now_us);

/* ---- what came of it ---- */

/* A host has answered: it has this room, ... */
void xl_evacuation_room(struct xl_evacuation *evacuation, int host,
                        uint64_t free_kb, uint64_t more_kb);
/* ... it takes guests and does not say how many, ... */
void xl_evacuation_room_unknown(struct xl_evacuation *evacuation, int host);
/* ... or it takes none. */
void xl_evacuation_closed(struct xl_evacuation *evacuation, int host,
                          const char *why);

/* A migration has taken a rate, or has not answered. */
void xl_evacuation_rate_set(struct xl_evacuation *evacuation, size_t guest,
                            uint64_t rate);
void xl_evacuation_deaf(struct xl_evacuation *evacuation, size_t guest);

/* libxl_live_migrate_list() shows these migrations. */
void xl_evacuation_saw(struct xl_evacuation *evacuation,
                       const libxl_live_migrate_status *list, int count);

/* The guest's job has ended, as a command that exits with this status: see
 * exit_status.h.  `why` is the reason if it has failed. */
void xl_evacuation_ended(struct xl_evacuation *evacuation, size_t guest,
                         int exit_status, const char *why);

/* The user gives up: start no more guests. */
void xl_evacuation_stop(struct xl_evacuation *evacuation);

/* ---- how it is ---- */

size_t xl_evacuation_count(const struct xl_evacuation *evacuation,
                           enum xl_fate fate);
/* Does a guest keep this fate? */
bool xl_fate_is_final(enum xl_fate fate);
/* One word, for machines. */
const char *xl_fate_to_string(enum xl_fate fate);
/* The exit status of the command. */
int xl_evacuation_exit(const struct xl_evacuation *evacuation);

#endif
