/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings, and a small printf. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);

/*
 * Knows %s %u %x %%, l, and a width with or without a leading 0.  Returns the
 * length; what does not fit is cut off.  Always NUL-terminated.
 */
size_t text_format(char *buffer, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
