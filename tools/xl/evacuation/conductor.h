/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The conductor does what xl_evacuation_next() says: it starts a process for
 * each guest, follows and steers the migrations from outside, and shows them.
 *
 * A child is this program once more, for one guest: xl migrate --postcopy, or
 * xl migrate-recover.  All rules about one migration are the child's.  When
 * the conductor is killed its children go on, and the next conductor follows
 * them.
 */
#ifndef XL_CONDUCTOR_H
#define XL_CONDUCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "child.h"
#include "evacuation.h"
#include "options.h"

/* The library's functions of these names; in tests, fakes. */
struct xl_conductor_ops {
    int (*list)(libxl_live_migrate_status **list, int *count);
    int (*list_completed)(libxl_live_migrate_status **list, int *count);
    void (*list_free)(libxl_live_migrate_status *list, int count);
    int (*request)(uint32_t domid, libxl_live_migrate_command command,
                   uint64_t rate, int timeout_ms, char *reason);
};

extern const struct xl_conductor_ops xl_conductor_library;

struct xl_conductor {
    struct xl_evacuation *evacuation;
    const struct xl_conductor_ops *ops;
    const struct xl_options *options; /* of the command */
    const char *program;              /* what the children are */
    int verbosity;                    /* how many -v they get */
    int signal_fd; /* a signalfd; readable: the user gives up */
};

/*
 * Go on until nothing is left to do.  Progress, messages and the summary go to
 * stderr; with --json objects go to stdout, in place of progress and summary.
 * Returns an exit status.
 */
int xl_conduct(const struct xl_conductor *conductor);

#endif
