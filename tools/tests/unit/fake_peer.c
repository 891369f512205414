/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What puppets of a source and of a destination share.
 */
#include "fake_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_heard.h"
#include "fake_log.h"
#include "watchdog.h"
#include "wire/record.h"
#include "wire/wire.h"

/* ---- the puppet's own writing and reading ---- */

void say_octets(struct puppet *puppet, const void *octets, size_t length)
{
    const uint8_t *next = octets;
    size_t step = puppet->in_octets ? 1 : length;

    /* The engine may have closed the connection, as it is allowed to. */
    for (; length; length -= step, next += step) {
        (void)!send(puppet->fd, next, step, MSG_NOSIGNAL);
    }
}

void say(struct puppet *puppet, uint32_t type, const void *body,
         uint32_t length)
{
    const struct xlm_wire_record_header header = {type, length};
    static const char zeroes[8];

    say_octets(puppet, &header, sizeof(header));
    if (length) {
        say_octets(puppet, body, length);
    }
    say_octets(puppet, zeroes, -length & 7);
}

void say_list(struct puppet *puppet, uint32_t type, size_t count,
              const uint64_t *entries)
{
    uint64_t body[1 + PAGES] = {count};

    if (count) {
        memcpy(body + 1, entries, 8 * count);
    }
    say(puppet, type, body, (uint32_t)(8 + 8 * count));
}

void say_page(struct puppet *puppet, uint32_t type, uint64_t pfn, int fill)
{
    uint8_t body[16 + XLM_PAGE_SIZE] = {1};

    memcpy(body + 8, &pfn, 8);
    memset(body + 16, fill, XLM_PAGE_SIZE);
    say(puppet, type, body, sizeof(body));
}

void say_answer(struct puppet *puppet, uint32_t type, uint32_t status)
{
    const struct xlm_wire_answer answer = {.status = status};

    say(puppet, type, &answer, sizeof(answer));
}

void say_credit(struct puppet *puppet)
{
    const struct xlm_wire_credit credit = {.pages = puppet->unpaid};

    puppet->unpaid = 0;
    say(puppet, XLM_REC_POSTCOPY_CREDIT, &credit, sizeof(credit));
}

/* What a destination would note of pages that arrive: body is the start. */
static void note_pages(struct puppet *puppet, uint32_t type,
                       const uint64_t *body)
{
    uint32_t count = (uint32_t)body[0];

    if (!fake_brings_pages(type)) {
        return;
    }
    puppet->unpaid += count;
    for (uint32_t i = 1; puppet->after_go && i <= count; i++) {
        puppet->came[xlm_entry_pfn(body[i])] = true;
    }
    puppet->last_pfn = xlm_entry_pfn(body[count]);
    if (puppet->credits) {
        say_credit(puppet);
    }
}

static void note_credit(struct puppet *puppet, uint32_t type,
                        const struct xlm_wire_credit *credit)
{
    if (type == XLM_REC_POSTCOPY_CREDIT) {
        puppet->credited = credit->pages;
    }
}

uint32_t hear_next(struct puppet *puppet)
{
    struct xlm_wire_record_header header;
    uint64_t body[512], scratch[512];
    uint32_t done, size;

    if (recv(puppet->fd, &header, sizeof(header), MSG_WAITALL) !=
        sizeof(header)) {
        return 0;
    }
    size = (header.length + 7) & ~7u;
    for (done = 0; done < size;) {
        uint32_t now = size - done < sizeof(body) ? size - done : sizeof(body);

        if (recv(puppet->fd, done ? scratch : body, now, MSG_WAITALL) != now) {
            return 0;
        }
        done += now;
    }
    note_pages(puppet, header.type, body);
    note_credit(puppet, header.type, (const void *)body);
    return header.type ? header.type : HEARD_END;
}

bool hear(struct puppet *puppet, uint32_t type)
{
    uint32_t heard;

    do {
        heard = hear_next(puppet);
    } while (heard && heard != (type ? type : HEARD_END));
    return heard;
}

struct puppet *new_puppet(void)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct puppet *puppet = calloc(1, sizeof(*puppet));
    int fds[2];

    alarm(WATCHDOG_SECONDS);
    puppet->host = fake_host_new(100000);
    puppet->ctx = fresh;
    puppet->ctx.logger = fake_logger();
    puppet->ctx.hypervisor = fake_open(puppet->host);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    puppet->engine_fd = fds[0];
    puppet->fd = fds[1];
    return puppet;
}

void hang_up(struct puppet *puppet)
{
    shutdown(puppet->fd, SHUT_RDWR);
}

void free_puppet(struct puppet *puppet)
{
    close(puppet->fd);
    close(puppet->engine_fd);
    if (puppet->domain) {
        fake_domain_stop(puppet->domain);
    }
    if (puppet->guest) {
        fake_guest_free(puppet->guest);
    }
    xlm_hypervisor_close(puppet->ctx.hypervisor);
    fake_host_check(puppet->host);
    fake_host_free(puppet->host);
    free(puppet);
}
