/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A peer that a test plays.  The engine is one end of the connection, in a
 * thread of its own.  The other end is a puppet, which sends and receives
 * what the test tells it.
 */
#ifndef FAKE_PEER_H
#define FAKE_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_guest.h"
#include "fake_hypervisor.h"
#include "fake_memory.h"
#include "xlm.h"

#define PAGES 40
#define HEARD_END 0xffffffff /* END, whose type is 0 */

struct puppet {
    struct fake_host *host;
    struct fake_domain *domain; /* NULL: not created yet */
    struct fake_guest *guest;   /* of a source */
    struct xlm_context ctx;
    struct xlm_stats stats;
    int engine_fd;
    int fd; /* the puppet's */
    pthread_t thread;
    int rc;
    bool over;         /* transitioned, or resumed */
    uint32_t credit;   /* that a source may use */
    bool credits;      /* the puppet gives it back as it reads */
    uint32_t unpaid;   /* pages read, not given back for */
    uint64_t last_pfn; /* the last page read */
    bool after_go;     /* then it is noted which pages were read ... */
    bool came[PAGES];  /* ... here */
    uint32_t credited; /* by the last CREDIT read */
    bool suspended;
    bool ran;
    uint64_t nr_pfns;          /* of the domain, at a destination */
    uint64_t max_pages;        /* of the configuration, at a destination */
    bool in_octets;            /* the puppet speaks one octet at a time */
    struct fake_memory memory; /* of a destination */
};

/* A host without a domain, and a connection; the watchdog is set.  Free it
 * once the engine's thread is joined: this fails the test when a rule of the
 * hypervisor was broken. */
struct puppet *new_puppet(void);
void free_puppet(struct puppet *puppet);
/* No more is said, and nothing is heard any more. */
void hang_up(struct puppet *puppet);

/* The puppet sends this record.  That the engine has closed the connection is
 * no failure. */
void say_octets(struct puppet *puppet, const void *octets, size_t length);
void say(struct puppet *puppet, uint32_t type, const void *body,
         uint32_t length);
/* At most PAGES entries. */
void say_list(struct puppet *puppet, uint32_t type, size_t count,
              const uint64_t *entries);
/* One page, all of one octet. */
void say_page(struct puppet *puppet, uint32_t type, uint64_t pfn, int fill);
void say_answer(struct puppet *puppet, uint32_t type, uint32_t status);
/* Send CREDIT for all pages that were read and not credited. */
void say_credit(struct puppet *puppet);

/* Read a record; 0 when no more come, else its type. */
uint32_t hear_next(struct puppet *puppet);
/* Read records until one of this type has been read; false: no more come. */
bool hear(struct puppet *puppet, uint32_t type);

#endif
