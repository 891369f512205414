/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver keeps in a file for the case that it is killed: the process
 * that takes its place reads there which pages the guest still lacks.
 *
 * The file is on the host's /run, like the memos: file and guest both end with
 * the host.  A process that opens the file owns it alone, until it closes the
 * file or dies.
 */
#ifndef LM_KEPT_H
#define LM_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "keeping/memo.h"
#include "xlm.h"

/* Room for a domain's name; no longer name is kept. */
#define LM_KEPT_NAME_SIZE 256

/* The beginning of the file, before the pager's words.  The file is mapped,
 * shared: what is written is kept at once. */
struct lm_kept_state {
    uint32_t version; /* LM_KEPT_VERSION, written last */
    uint32_t domid;
    /* the domain's, which may differ from the guest's uuid */
    uint8_t handle[16];
    struct xlm_identity identity;
    uint32_t go_taken; /* the go was received */
    /* the work after the go is done, and the guest may run */
    uint32_t let_run;
    /* the domain stays paused, as its owner wants */
    uint32_t stays_paused;
    /* the final name; empty: the domain has it */
    char name[LM_KEPT_NAME_SIZE];
    uint32_t link_timeout_ms; /* 0: none */
    /* memory that the guest lacks can never come */
    uint32_t lost;
};

struct lm_kept {
    struct lm_kept_state *state;
    int fd; /* holds the lock */
};

#define LM_KEPT_NONE ((struct lm_kept){.fd = -1})

/* Create the file of a migration that begins, in the domain of that number and
 * handle. -1 with errno. */
int lm_kept_create(struct lm_kept *kept, const struct xlm_identity *identity,
                   uint32_t domid, const uint8_t handle[16]);
/* Open the file of a migration whose receiver has died: of this migration, or
 * with NULL of whichever the file is. -1 with errno: ENOENT, there is no file;
 * EBUSY, the receiver lives, or another process has taken its place; EINVAL,
 * the file has another version. */
int lm_kept_open(struct lm_kept *kept, const uint8_t id[LM_ID_SIZE],
                 const struct xlm_identity *identity);
/* What a domain's file says to a process that only looks. */
struct lm_kept_view {
    struct lm_kept_state state;
    uint64_t outstanding;
    bool attended; /* a process receives it */
};

/* Look for the file of the domain of that number and handle, without locking
 * it.  If `id` is given, only the file of that migration counts. -1 with
 * errno; ENOENT: there is none. */
int lm_kept_look(uint32_t domid, const uint8_t handle[16], const uint8_t *id,
                 struct lm_kept_view *view);

/* Harmless when nothing is open.  With `remove` no process can take over any
 * more. */
void lm_kept_close(struct lm_kept *kept, bool remove);

/* The pager's words, xlm_kept_words() of them. */
unsigned long *lm_kept_words(const struct lm_kept *kept);
/* Is any page outstanding? */
bool lm_kept_lacks_pages(const struct lm_kept *kept);

#endif
