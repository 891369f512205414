/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Rates as a person writes and reads them.
 */
#ifndef XL_RATE_H
#define XL_RATE_H

#include <stdint.h>

/*
 * Parse octets a second: a number with an optional K, M or G behind it (powers
 * of 1024), or "unlimited" (UINT64_MAX).  NULL, or what is wrong.
 */
const char *xl_parse_rate(const char *text, uint64_t *rate);

#endif
