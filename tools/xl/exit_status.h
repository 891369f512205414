/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What commands about migrations exit with: where the guest is.
 */
#ifndef XL_EXIT_STATUS_H
#define XL_EXIT_STATUS_H

#include "libxl_live_migrate.h"

/* Beside EXIT_SUCCESS, when the guest is at the destination as a whole or has
 * ended there, and EXIT_FAILURE, when it is at the source as before. */
enum xl_exit {
    /* It was handed over and the connection lost: to be recovered. */
    XL_EXIT_PAUSED = 3,
    /* It never ran at the destination, and runs at the source again. */
    XL_EXIT_TAKEN_BACK = 4,
    /* It is at the destination as a whole; its shell at the source could not
     * be destroyed. */
    XL_EXIT_SHELL_LEFT = 5,
    /* It runs nowhere: it shut down meanwhile, or can never be whole. */
    XL_EXIT_GONE = 6,
    /* Before anything: of a receiver's, the source has its own words. */
    XL_EXIT_NOT_ROOT = 7,
    XL_EXIT_NO_DOM0 = 8,
    /* Within this program: as EXIT_FAILURE, and nothing had begun.  The stock
     * way may do. */
    XL_EXIT_REFUSED = 9,
};

/* What the command exits with, or has exited with, that moves or receives a
 * guest of whose migration this was the last that was seen. */
int xl_exit_of_status(const libxl_live_migrate_status *status);

#endif
