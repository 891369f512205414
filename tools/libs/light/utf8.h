/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Text from elsewhere, names of guests above all, made safe for a terminal or
 * a parser.
 */
#ifndef LM_UTF8_H
#define LM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Stands for an octet that is no character. */
#define LM_UTF8_BAD 0xfffdu

/* The character at the beginning of `text`, and how many octets it has.  The
 * text must not be empty, and must end with a 0.  LM_UTF8_BAD and 1 for an
 * octet that is no part of a character.  Thread-safe, like the others. */
uint32_t lm_utf8_next(const char *text, size_t *length);

/* Does a terminal only show this character?  Control characters, some of them
 * above ASCII, do more, and so do marks that turn the direction of text. */
bool lm_utf8_is_shown(uint32_t character);

/* Is the text harmless for a terminal?  It may have characters that are shown,
 * and octets that are no UTF-8 unless an 8-bit terminal reads them as control
 * characters: names in Latin-1 are no attack. */
bool lm_utf8_is_harmless(const char *text);

/* Copy as much of the text as fits into `room` octets, with a question mark
 * for each character that a terminal does more with than show it. */
void lm_utf8_show(char *shown, size_t room, const char *text);

/* Write the text as a string of JSON: as UTF-8, with \\uXXXX for each
 * character that a terminal does not show. */
void lm_utf8_put_json(FILE *to, const char *text);

#endif
