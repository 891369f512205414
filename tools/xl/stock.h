/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The stock xl of this host.
 */
#ifndef XL_STOCK_H
#define XL_STOCK_H

#include <stddef.h>

/*
 * Replace this process by the stock xl with the same arguments.  Returns (an
 * exit status, after having said why) only when there is none.
 */
int xl_stock_exec(char **argv);

/* Run the stock xl with these arguments (argv[0] is replaced by its path) and
 * return what it writes to stdout: malloc()ed, terminated by a zero.  NULL:
 * it failed, and it or we said why. */
char *xl_stock_output(char **argv);

#endif
