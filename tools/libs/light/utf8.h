/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Text of others, names of guests above all, for a terminal or a parser.
 */
#ifndef LM_UTF8_H
#define LM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is no character. */
#define LM_UTF8_BAD 0xfffdu

/* The character that begins at text, which is not empty and ends with a 0, and
 * how many octets it has; LM_UTF8_BAD and 1 for an octet that is no part of
 * one.  Thread-safe, as are the others. */
uint32_t lm_utf8_next(const char *text, size_t *length);

/* Whether a terminal shows a character, and does nothing else: not so control
 * characters, of which there are some above ASCII, and marks that turn the
 * direction of what follows. */
bool lm_utf8_is_shown(uint32_t character);

/* Whether all of a text is UTF-8 that is shown.  An octet that is no part of
 * UTF-8 passes where it is of no control character of an 8-bit terminal: names
 * in Latin-1 are no attack. */
bool lm_utf8_is_harmless(const char *text);

/* A copy in shown, of room octets, with a question mark for each character
 * that is not shown; as much of it as there is room for. */
void lm_utf8_show(char *shown, size_t room, const char *text);

#endif
