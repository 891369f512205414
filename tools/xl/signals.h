/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Signals that a command answers when it is safe, not when they come.
 */
#ifndef XL_SIGNALS_H
#define XL_SIGNALS_H

/* Turn Ctrl-C, SIGTERM and SIGHUP into a readable descriptor, which the caller
 * must close; SIGPIPE is ignored from now on.  -1: with a message on stderr.
 * Call before other threads start: they inherit the mask. */
int xl_take_signals(void);

#endif
