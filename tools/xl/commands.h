/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Our commands, each after its options (argv[0] is its name): they return an
 * exit status.
 */
#ifndef XL_COMMANDS_H
#define XL_COMMANDS_H

#include "xl_context.h"

#define COMMAND(id, name, when_ours, function, ...) \
    int function(struct xl_context *xl, int argc, char **argv);
#include "options.def"

#endif
