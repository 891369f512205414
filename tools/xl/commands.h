/* SPDX-License-Identifier: LGPL-2.1-or-later
 * This project's commands.  Each gets argv from its own name on (argv[0]), and
 * returns an exit status.
 */
#ifndef XL_COMMANDS_H
#define XL_COMMANDS_H

#include "xl_context.h"

#define COMMAND(id, name, when_ours, function, ...) \
    int function(struct xl_context *xl, int argc, char **argv);
#include "options.def"

#endif
