/*
 * A connection between two ends that a test can cut, to the octet, and that
 * keeps what went over it.
 */
#ifndef FAKE_LINK_H
#define FAKE_LINK_H

#include <stddef.h>
#include <stdint.h>

enum fake_way {
    FAKE_FORTH, /* from end 0 to end 1 */
    FAKE_BACK,
};

#define FAKE_UNCUT UINT64_MAX

struct fake_link;

/* Cut after so many octets of one way have been delivered: both ends then
 * find both ways closed. */
struct fake_link *fake_link_new(enum fake_way way, uint64_t cut_after);
/* The descriptor of an end, both ways; the link's own. */
int fake_link_end(struct fake_link *link, unsigned int end);
/* Close an end, as its process would by ending. */
void fake_link_hang_up(struct fake_link *link, unsigned int end);
/* What went over it; valid once both ends have hung up, until freed. */
const uint8_t *fake_link_heard(struct fake_link *link, enum fake_way way,
                               size_t *length);
void fake_link_free(struct fake_link *link);

#endif
