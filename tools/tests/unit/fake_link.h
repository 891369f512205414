/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection between two ends that a test can cut or stall at any octet, and
 * that records what went over it.
 */
#ifndef FAKE_LINK_H
#define FAKE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What fake toolstacks send after POSTCOPY_TRANSITION. */
#define FAKE_DEVICE_STATE "device model state"

enum fake_way {
    FAKE_FORTH, /* from end 0 to end 1 */
    FAKE_BACK,
};

/* What stands before and after the records of the stream in that direction. */
enum fake_stream {
    FAKE_LIBXC, /* as the guest layer with fake toolstacks has it */
    FAKE_LIBXL, /* as the light layer, without device model */
    FAKE_BARE,  /* nothing: the connection of a recovery */
};

/* What happens to a link at its cut. */
enum fake_strike {
    FAKE_STRIKE_CUT, /* both ends find both directions closed */
    /* both directions are open, and nothing comes through */
    FAKE_STRIKE_STALL,
    FAKE_STRIKE_NOTHING,
};

/* Where to cut a link. */
struct fake_cut {
    enum fake_way way;
    /* This many octets of that direction after ... */
    uint64_t octets;
    /* ... its beginning, or the start of the nth record of a type (0 and 1:
     * the first). */
    bool at_record;
    uint32_t type;
    enum fake_stream stream;
    /* End 1 gets no more octets, and does not learn of the closing. */
    bool silent;
    unsigned int nth;
    enum fake_strike strike;
    /* Called at the cut, by a thread of the link's own; may be NULL. */
    void (*at)(void *data);
    void *data;
};

#define FAKE_UNCUT UINT64_MAX
/* In place of a number of octets: half of the record, or all of it. */
#define FAKE_HALF (UINT64_MAX - 1)
#define FAKE_WHOLE (UINT64_MAX - 2)

struct fake_link;

/* Make a link that is cut there.  The cut is copied; FAKE_UNCUT octets: the
 * link is never cut. */
struct fake_link *fake_link_new(const struct fake_cut *cut);
/* Octets from one record's header to the next's. */
size_t fake_record_size(uint32_t type, uint32_t length);
/* Octets before the first record of a direction. */
size_t fake_first_record(enum fake_way way);
/* Called for each whole record that went in one direction, from an offset
 * on. */
typedef void fake_record_fn(const uint8_t *octets, size_t size, void *data);
void fake_link_each_record(struct fake_link *link, enum fake_way way,
                           size_t at, fake_record_fn *fn, void *data);

/* Let the link hold as little as the kernel lets it: some hundreds of octets
 * in each direction.  Before anything goes over it. */
void fake_link_narrow(struct fake_link *link);
/* The descriptor of an end, both ways; the link's own. */
int fake_link_end(struct fake_link *link, unsigned int end);
/* Close an end, as its process would by ending. */
void fake_link_hang_up(struct fake_link *link, unsigned int end);
/* Close an end at once from another thread: what that end has sent still
 * arrives, and nothing that it sends later does. */
void fake_link_kill(struct fake_link *link, unsigned int end);
/* Stall both directions, or close them, at once. */
void fake_link_stall(struct fake_link *link);
void fake_link_cut(struct fake_link *link);
/* The octets of one direction; valid once both ends have hung up, until the
 * link is freed. */
const uint8_t *fake_link_heard(struct fake_link *link, enum fake_way way,
                               size_t *length);
/* Write the octets to a file of that name in the directory KEEP_STREAMS, if
 * the environment names one and there are octets: an independent reader checks
 * them. */
void fake_link_keep(struct fake_link *link, enum fake_way way,
                    const char *name);
void fake_link_free(struct fake_link *link);

#endif
