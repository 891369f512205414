/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process of this program for one guest, or for one question: what it says
 * line by line, and how it ends.
 */
#ifndef XL_CHILD_H
#define XL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The last lines of its output are kept, and of each line its beginning. */
#define XL_CHILD_LINES 24
#define XL_CHILD_LINE_MAX 512

struct xl_child {
    pid_t pid;  /* 0: there is none */
    int fd;     /* its stdout and stderr; -1: closed */
    int status; /* of waitpid(), once it has ended */
    /* Its last line, which is not over; and the lines before. */
    char line[XL_CHILD_LINE_MAX];
    size_t length;
    char lines[XL_CHILD_LINES][XL_CHILD_LINE_MAX];
    size_t nr_lines;
};

#define XL_NO_CHILD ((struct xl_child){.fd = -1})

/*
 * Run the program with these words, argv[0] first, stdin from /dev/null, no
 * signal blocked.  0, or -1 with errno.  The child gets no other descriptor.
 */
int xl_child_start(struct xl_child *child, const char *program, char **words);

/* Take what it has said since; never waits.  What a terminal would not show
 * becomes a question mark, but for tabs. */
void xl_child_hear(struct xl_child *child);

/* True: it has ended, and all that it has said was heard.  Never waits.  What
 * others hold its output open for does not count. */
bool xl_child_has_ended(struct xl_child *child);

/* What it exited with; -1: a signal has ended it. */
int xl_child_exit(const struct xl_child *child);

/* The line that says why it has failed, without "xl: "; "" if none does. */
const char *xl_child_why(const struct xl_child *child);

#endif
