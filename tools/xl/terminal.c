/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What xl prints.
 */
#include "terminal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "utf8.h"

/* A character has at most so many octets. */
#define OCTETS 4
#define PIECE 512

struct terminal {
    int fd;
    /* The beginning of a character whose end has not been printed yet. */
    char begun[OCTETS];
    size_t count;
};

static int write_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t written = write(fd, text, length);

        if (written < 0 && errno != EINTR) {
            return -1;
        }
        text += written < 0 ? 0 : written;
        length -= written < 0 ? 0 : (size_t)written;
    }
    return 0;
}

/* How many octets the character needs that begins so; 1: it is whole, or is
 * none. */
static size_t octets_of(unsigned char first)
{
    if (first < 0xc2 || first > 0xf4) {
        return 1;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* What may be the beginning of a character, at the end of a piece. */
static size_t begun_at_end(const char *text, size_t length)
{
    for (size_t back = 1; back < OCTETS && back <= length; back++) {
        unsigned char octet = text[length - back];

        if (octet >= 0xc0) {
            return octets_of(octet) > back ? back : 0;
        }
        if (octet < 0x80) {
            return 0;
        }
    }
    return 0;
}

/* Lines and tabs are what they are; the rest is only shown. */
static int show(int fd, char *text, size_t length)
{
    char shown[PIECE + OCTETS + 1];

    for (size_t at = 0; at < length;) {
        char *part = text + at, ends;
        size_t octets = strcspn(part, "\n\t");

        /* Up to a line's end, a tab, a 0 or the end. */
        ends = part[octets];
        part[octets] = '\0';
        lm_utf8_show(shown, sizeof(shown), part);
        at += octets;
        if (write_all(fd, shown, strlen(shown)) ||
            (at < length && write_all(fd, ends ? &ends : "?", 1))) {
            return -1;
        }
        at++;
    }
    return 0;
}

static ssize_t take(void *cookie, const char *octets, size_t length)
{
    struct terminal *terminal = cookie;

    for (size_t at = 0; at < length;) {
        char piece[PIECE + OCTETS + 1];
        size_t count = length - at < PIECE ? length - at : PIECE;
        size_t begun;

        memcpy(piece, terminal->begun, terminal->count);
        memcpy(piece + terminal->count, octets + at, count);
        at += count;
        count += terminal->count;
        begun = begun_at_end(piece, count);
        memcpy(terminal->begun, piece + count - begun, begun);
        terminal->count = begun;
        piece[count - begun] = '\0';
        if (show(terminal->fd, piece, count - begun)) {
            return -1;
        }
    }
    return length;
}

static int release(void *cookie)
{
    free(cookie);
    return 0;
}

FILE *xl_terminal_stream(int fd)
{
    const cookie_io_functions_t functions = {.write = take, .close = release};
    struct terminal *terminal = calloc(1, sizeof(*terminal));
    FILE *stream = terminal ? fopencookie(terminal, "w", functions) : NULL;

    if (!stream) {
        free(terminal);
        return NULL;
    }
    terminal->fd = fd;
    setvbuf(stream, NULL, _IOLBF, 0);
    return stream;
}

int xl_terminal_open(void)
{
    FILE *out = xl_terminal_stream(STDOUT_FILENO);
    FILE *err = out ? xl_terminal_stream(STDERR_FILENO) : NULL;

    if (!err) {
        if (out) {
            fclose(out);
        }
        return -1;
    }
    /* In glibc these are variables like any others. */
    stdout = out;
    stderr = err;
    return 0;
}

void xl_terminal_control(FILE *stream, const char *sequence)
{
    fflush(stream);
    (void)write_all(stream == stdout ? STDOUT_FILENO : STDERR_FILENO, sequence,
                    strlen(sequence));
}
