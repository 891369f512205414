/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A source that a test plays against a destination that is the engine: it
 * sends what an honest source sends up to the point where the test begins
 * to lie.
 */
#ifndef FAKE_SOURCE_H
#define FAKE_SOURCE_H

#include <stdint.h>

#include "fake_peer.h"

/* A destination of PAGES pages that waits for its stream ... */
struct puppet *start_restore(void);
/* ... whose configuration gives the guest at most this many pages ... */
struct puppet *start_restore_with(uint64_t max_pages);
/* ... and one that has come as far as one of these stages. */
struct puppet *restore_at(void (*stage)(struct puppet *));

void start_live(struct puppet *puppet);
void start_prepared(struct puppet *puppet);
/* Within the first list. */
void start_evicting(struct puppet *puppet);
/* Pages 1 to 3 are outstanding. */
void start_evicted(struct puppet *puppet);
/* Page 0 is there. */
void start_ready(struct puppet *puppet);
void start_running(struct puppet *puppet);

/* The parts of the stages, for a test that sends something else in between. */
void say_platform(struct puppet *puppet);
void say_prepare(struct puppet *puppet, uint32_t version, uint64_t pages,
                 uint64_t pfns);

/* Check that the engine has failed with a reason, and free the puppet.  The
 * first: the guest never ran.  The second: it runs, lacks pages, and waits for
 * them as long as it takes. */
void expect_never_ran(struct puppet *puppet);
void expect_runs_on(struct puppet *puppet);

#endif
