/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/console.h>

#include "console.h"
#include "cpu.h"
#include "lock.h"
#include "text.h"
#include "xen.h"

#define DEBUG_PORT 0xe9
#define MARK_SIZE 24
#define LINE_SIZE 160 /* Xen breaks lines of 200 and more */

static unsigned int selected = CONSOLE_BOTH;
static struct xencons_interface *ring;
static uint32_t ring_port;
static struct lock printing;
static char mark[MARK_SIZE];
static size_t mark_length;
static char line[LINE_SIZE + 2];

void console_select(unsigned int ways)
{
    selected = ways;
}

static __attribute__((format(printf, 1, 2))) void set_mark(const char *format,
                                                           ...)
{
    va_list args;

    va_start(args, format);
    mark_length = text_format(mark, sizeof(mark), format, args);
    va_end(args);
}

void console_mark(uint64_t id)
{
    if (id != 0) {
        set_mark("#%lu ", id);
    }
}

void console_hold(void)
{
    lock_take(&printing);
}

void console_release(void)
{
    lock_release(&printing);
}

void console_connect_ring(struct xencons_interface *new_ring, uint32_t port)
{
    ring = new_ring;
    ring_port = port;
}

static void put_in_ring(const char *text, size_t length)
{
    uint32_t producer = ring->out_prod;
    uint32_t consumer = __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
    size_t i;

    if (sizeof(ring->out) - (producer - consumer) < length) {
        return;
    }
    for (i = 0; i < length; i++) {
        ring->out[MASK_XENCONS_IDX(producer + i, ring->out)] = text[i];
    }
    __atomic_store_n(&ring->out_prod, producer + (uint32_t)length,
                     __ATOMIC_RELEASE);
    xen_notify(ring_port);
}

static __attribute__((format(printf, 2, 0))) void print_list(
    unsigned int ways, const char *format, va_list args)
{
    size_t length;

    console_hold();
    for (length = 0; length < mark_length; length++) {
        line[length] = mark[length];
    }
    length += text_format(line + length, LINE_SIZE - length, format, args);
    ways &= selected;
    if ((ways & CONSOLE_PORT) != 0) {
        line[length] = '\n';
        cpu_out_text(DEBUG_PORT, line, length + 1);
    }
    if ((ways & CONSOLE_RING) != 0 && ring != NULL) {
        line[length] = '\r';
        line[length + 1] = '\n';
        put_in_ring(line, length + 2);
    }
    console_release();
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_list(CONSOLE_BOTH, format, args);
    va_end(args);
}

void print_on(unsigned int ways, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_list(ways, format, args);
    va_end(args);
}
