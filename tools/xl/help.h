/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the stock xl's help does not know of.
 */
#ifndef XL_HELP_H
#define XL_HELP_H

#include <stdbool.h>

/* Whether the command line, from its command word on, asks for help that names
 * a command of ours.  Then it was shown, beside the stock xl's where that has
 * some, and *status is what to exit with. */
bool xl_help(int argc, char **argv, int *status);

#endif
