/* SPDX-License-Identifier: LGPL-2.1-or-later
 * UTF-8, and which of it a terminal may show.
 */
#include "utf8.h"

#include <inttypes.h>
#include <string.h>

static bool continues(unsigned char octet)
{
    return (octet & 0xc0) == 0x80;
}

/* How many octets a character with this first octet has; no character is above
 * 0x10ffff. */
static size_t length_of(unsigned char first)
{
    if (first >= 0xc2 && first <= 0xdf) {
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        return 3;
    }
    return first >= 0xf0 && first <= 0xf4 ? 4 : 1;
}

/* Neither a longer form of another character nor half of a UTF-16 pair. */
static bool is_whole(uint32_t character, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return character >= least[length] && character <= 0x10ffff &&
           (character < 0xd800 || character > 0xdfff);
}

uint32_t lm_utf8_next(const char *text, size_t *length)
{
    unsigned char first = text[0];
    size_t octets = length_of(first);
    uint32_t character;

    *length = 1;
    if (octets == 1) {
        return first < 0x80 ? first : LM_UTF8_BAD;
    }
    character = first & (0x7f >> octets);
    for (size_t i = 1; i < octets; i++) {
        if (!continues(text[i])) {
            return LM_UTF8_BAD;
        }
        character = character << 6 | (text[i] & 0x3f);
    }
    if (!is_whole(character, octets)) {
        return LM_UTF8_BAD;
    }
    *length = octets;
    return character;
}

bool lm_utf8_is_shown(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},
        {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
    };

    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (character >= hidden[i].first && character <= hidden[i].last) {
            return false;
        }
    }
    return character != LM_UTF8_BAD;
}

bool lm_utf8_is_harmless(const char *text)
{
    size_t length;

    for (; *text; text += length) {
        uint32_t character = lm_utf8_next(text, &length);
        unsigned char octet = *text;

        if (!lm_utf8_is_shown(character) &&
            (character != LM_UTF8_BAD || octet < 0xa0)) {
            return false;
        }
    }
    return true;
}

void lm_utf8_show(char *shown, size_t room, const char *text)
{
    size_t used = 0, length;

    for (; *text; text += length) {
        bool good = lm_utf8_is_shown(lm_utf8_next(text, &length));
        size_t octets = good ? length : 1;

        if (used + octets >= room) {
            break;
        }
        memcpy(shown + used, good ? text : "?", octets);
        used += octets;
    }
    shown[used] = '\0';
}

/* All characters that a terminal would not show are below 0x10000. */
void lm_utf8_put_json(FILE *to, const char *text)
{
    size_t length;

    fputc('"', to);
    for (; *text; text += length) {
        uint32_t character = lm_utf8_next(text, &length);

        if (character == '"' || character == '\\') {
            fprintf(to, "\\%c", *text);
        } else if (lm_utf8_is_shown(character)) {
            fwrite(text, 1, length, to);
        } else {
            fprintf(to, "\\u%04" PRIx32, character);
        }
    }
    fputc('"', to);
}
