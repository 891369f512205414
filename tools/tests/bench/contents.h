/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the memory of a measured guest holds.
 */
#ifndef BENCH_CONTENTS_H
#define BENCH_CONTENTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Choose the contents, before the process becomes two.  "counted": each page
 * has words of its own, as the engine has always been measured.  "mixed": of
 * 20 pages 6 are of zeroes, one is one word again and again, 9 are of files
 * below /usr/lib and /usr/share of this host, and 4 are random.  False: there
 * is no such name.
 */
bool contents_choose(const char *name);

/* Fill a page, always in the same way. */
void contents_fill(void *page, uint64_t pfn);

#endif
