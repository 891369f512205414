/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What this host's administrator wants when a command line says nothing.
 */
#ifndef XL_DEFAULTS_H
#define XL_DEFAULTS_H

#include "options.h"

/* In the syntax of xl.conf: options by their long names, with _ for -. */
#define XL_DEFAULTS_FILE XEN_CONFIG_DIR "/xl-postcopy.conf"

/*
 * Put what the file says of a command's options before those of its command
 * line, where later ones count.  What is made lives as long as the process.
 * 0, or -1 having said what is wrong with the file.
 */
int xl_defaults_add(enum xl_command_id command, int *argc, char ***argv);

/* How a plain `xl migrate` is to go: as --postcopy=WHEN, malloc'ed; NULL: as
 * the stock xl does it. */
char *xl_defaults_plain_migrate(void);

#endif
