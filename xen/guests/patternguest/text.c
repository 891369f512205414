/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "text.h"

#define MOST_DIGITS 20

size_t text_length(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0') {
        length++;
    }
    return length;
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

struct output {
    char *buffer;
    size_t size;
    size_t length;
};

static void put(struct output *output, char c)
{
    if (output->length + 1 < output->size) {
        output->buffer[output->length++] = c;
    }
}

static void put_number(struct output *output, uint64_t number,
                       unsigned int base, unsigned int width, char fill)
{
    char digits[MOST_DIGITS];
    unsigned int count = 0;

    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    for (; width > count; width--) {
        put(output, fill);
    }
    while (count > 0) {
        put(output, digits[--count]);
    }
}

size_t text_format(char *buffer, size_t size, const char *format, va_list args)
{
    struct output output = {buffer, size, 0};

    for (; *format != '\0'; format++) {
        unsigned int width = 0;
        bool is_long = false;
        char fill = ' ';
        const char *text;

        if (*format != '%') {
            put(&output, *format);
            continue;
        }
        format++;
        if (*format == '0') {
            fill = '0';
        }
        for (; *format >= '0' && *format <= '9'; format++) {
            width = width * 10 + (unsigned int)(*format - '0');
        }
        if (*format == 'l') {
            is_long = true;
            format++;
        }
        switch (*format) {
        case 's':
            for (text = va_arg(args, const char *); *text != '\0'; text++) {
                put(&output, *text);
            }
            break;
        case 'u':
        case 'x':
            put_number(&output,
                       is_long ? va_arg(args, unsigned long)
                               : va_arg(args, unsigned int),
                       *format == 'x' ? 16 : 10, width, fill);
            break;
        default:
            put(&output, *format);
            break;
        }
    }
    buffer[output.length] = '\0';
    return output.length;
}
