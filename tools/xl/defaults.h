/* SPDX-License-Identifier: LGPL-2.1-or-later
 * This host's defaults for options that a command line leaves out.
 */
#ifndef XL_DEFAULTS_H
#define XL_DEFAULTS_H

#include "options.h"

/* The syntax is xl.conf's: long options, with _ for -. */
#define XL_DEFAULTS_FILE XEN_CONFIG_DIR "/xl-postcopy.conf"

/*
 * Insert the file's options for a command before those of its command line;
 * later ones count.  The memory is never freed.  0, or -1 with a message on
 * stderr: the file is wrong.
 */
int xl_defaults_add(enum xl_command_id command, int *argc, char ***argv);

/* How this host wants a plain `xl migrate` to go: the argument of --postcopy,
 * which the caller must free; NULL: as the stock xl does it. */
char *xl_defaults_plain_migrate(void);

#endif
