/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How a benchmark ends that cannot measure.
 */
#ifndef BENCH_DIE_H
#define BENCH_DIE_H

/* Print a line to stderr and exit with 1. */
void die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

#endif
