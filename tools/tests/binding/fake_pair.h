/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two fake hosts and a guest to move between them, for programs in other
 * languages: the library that these load instead of the real one has these
 * functions besides.
 */
#ifndef FAKE_PAIR_H
#define FAKE_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

struct fake_pair;

/* A guest of this name runs at end 0.  `against`: use the hosts of that pair,
 * the other way round; NULL: new hosts.  Free `against` last. */
struct fake_pair *fake_pair_new(const char *name, struct fake_pair *against);
void fake_pair_free(struct fake_pair *pair);

libxl_ctx *fake_pair_ctx(struct fake_pair *pair, unsigned int end);
xentoollog_logger *fake_pair_logger(struct fake_pair *pair, unsigned int end);
/* The host of end 1 has no memory paging. */
void fake_pair_no_paging(struct fake_pair *pair);
/* That host's end of the connection, and a function to close it. */
int fake_pair_fd(struct fake_pair *pair, unsigned int end);
void fake_pair_hang_up(struct fake_pair *pair, unsigned int end);

/* Exits unless the guest runs at end 1, with all of its memory, and nowhere
 * else. */
void fake_pair_check_moved(struct fake_pair *pair);
/* The same for end 0. */
void fake_pair_check_stayed(struct fake_pair *pair);

#endif
