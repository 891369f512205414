/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What xl prints.  Names of guests, words of the other host and what is found
 * in files all end up there: so the streams themselves let nothing through
 * that a terminal obeys, whatever is printed by whichever library.
 */
#ifndef XL_TERMINAL_H
#define XL_TERMINAL_H

#include <stdio.h>

/*
 * A stream to a descriptor, which stays the caller's.  Lines and tabs go
 * through; each other control character (those above ASCII as well), each mark
 * that turns the direction of text and each octet that is no UTF-8 becomes a
 * question mark.  Line by line, like a terminal's.  NULL with errno.
 */
FILE *xl_terminal_stream(int fd);

/* Make stdout and stderr such streams, in the whole process.  0, or -1 with
 * errno: they are as before. */
int xl_terminal_open(void);

/* Print a sequence that the terminal is to obey; only on one, and with nothing
 * in it that comes from elsewhere. */
void xl_terminal_control(FILE *stream, const char *sequence);

#endif
