/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The stock xl of this host.
 */
#ifndef XL_STOCK_H
#define XL_STOCK_H

#include <stddef.h>

/*
 * Replace this process by the stock xl with the same arguments.  Returns an
 * exit status, after a message on stderr, only when there is no stock xl.
 */
int xl_stock_exec(char **argv);

/* Run the stock xl with these arguments (argv[0] is replaced by its path), and
 * return its stdout: ends with a zero, and the caller must free it.  NULL: it
 * failed, and the reason is on stderr. */
char *xl_stock_output(char **argv);

#endif
