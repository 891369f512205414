/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver keeps in a file for the case that it is killed: who takes
 * its place finds there which pages the guest still lacks.
 *
 * The file is on a host's /run as the memos are: both it and the guest end
 * with the host.  Whoever has it open has it for himself, until he closes it
 * or dies.
 */
#ifndef LM_KEPT_H
#define LM_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "memo.h"
#include "xlm.h"

/* Room for a domain's name; a longer one is not kept. */
#define LM_KEPT_NAME_SIZE 256

/* At the beginning of the file, before the words of the pager: all of it is
 * shared with the file, so what is written is kept at once. */
struct lm_kept_state {
    uint32_t version; /* LM_KEPT_VERSION, written last */
    uint32_t domid;
    uint8_t handle[16]; /* the domain's own: not always the guest's uuid */
    struct xlm_identity identity;
    uint32_t ours;                /* the go was received */
    uint32_t ran;                 /* what follows on that has been done */
    uint32_t stays;               /* paused, as its owner wants it */
    char name[LM_KEPT_NAME_SIZE]; /* that it gets; empty: has it */
    uint32_t link_timeout_ms;     /* 0: none */
    uint32_t lost;                /* what it lacks can never come */
};

struct lm_kept {
    struct lm_kept_state *state;
    int fd; /* holds the lock */
};

#define LM_KEPT_NONE ((struct lm_kept){.fd = -1})

/* The file of a migration that begins, in the domain of that number and
 * handle.  -1 with errno: there is none. */
int lm_kept_create(struct lm_kept *kept, const struct xlm_identity *identity,
                   uint32_t domid, const uint8_t handle[16]);
/* The file of a migration whose receiver has died, and that is this one (NULL:
 * whichever it is).  ENOENT: it has left none; EBUSY: it lives, or somebody
 * has taken its place; EINVAL: it is not of this version. */
int lm_kept_open(struct lm_kept *kept, const uint8_t id[LM_ID_SIZE],
                 const struct xlm_identity *identity);
/* What the file of a domain says to a process that only looks. */
struct lm_kept_view {
    struct lm_kept_state state;
    uint64_t outstanding;
    bool attended; /* a process receives it */
};

/* Look for the file of the domain of that number and handle, without keeping
 * anybody from it: that of the migration `id`, unless there is none, or NULL
 * is given.  -1 with errno; ENOENT: there is none. */
int lm_kept_look(uint32_t domid, const uint8_t handle[16], const uint8_t *id,
                 struct lm_kept_view *view);

/* Harmless on none.  With `remove` nobody will take over any more. */
void lm_kept_close(struct lm_kept *kept, bool remove);

/* What the pager keeps, xlm_kept_words() of them. */
unsigned long *lm_kept_words(const struct lm_kept *kept);
/* Is a page outstanding? */
bool lm_kept_lacks_pages(const struct lm_kept *kept);

#endif
