/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Help that the stock xl does not have.
 */
#ifndef XL_HELP_H
#define XL_HELP_H

#include <stdbool.h>

/* Does the command line, from the command word on, ask for help about a
 * command of this project?  Then the help is shown, beside the stock xl's if
 * there is any, and *status is the exit status. */
bool xl_help(int argc, char **argv, int *status);

#endif
