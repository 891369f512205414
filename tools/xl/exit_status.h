/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Exit statuses of commands about migrations: they say where the guest is.
 */
#ifndef XL_EXIT_STATUS_H
#define XL_EXIT_STATUS_H

#include "libxl_live_migrate.h"

/* Beside EXIT_SUCCESS, when the destination has the whole guest or the guest
 * has ended there, and EXIT_FAILURE, when the guest is at the source as
 * before. */
enum xl_exit {
    /* The guest was handed over, and the connection lost: recover it. */
    XL_EXIT_PAUSED = 3,
    /* The guest never ran at the destination, and runs at the source again. */
    XL_EXIT_TAKEN_BACK = 4,
    /* The destination has the whole guest; its shell at the source could not
     * be destroyed. */
    XL_EXIT_SHELL_LEFT = 5,
    /* The guest runs nowhere: it shut down meanwhile, or can never be
     * complete. */
    XL_EXIT_GONE = 6,
    /* Nothing had begun.  A receiver's: the source has messages of its own. */
    XL_EXIT_NOT_ROOT = 7,
    XL_EXIT_NO_DOM0 = 8,
    /* Between parts of this program: as EXIT_FAILURE, and nothing had begun.
     * The stock xl may still migrate the guest. */
    XL_EXIT_REFUSED = 9,
};

/* The exit status, now or in the past, of the command that moves or receives a
 * guest whose migration has this last status. */
int xl_exit_of_status(const libxl_live_migrate_status *status);

#endif
