/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define NO_PAGE UINT32_MAX
#define WORDS (XLM_PAGE_SIZE / sizeof(uint64_t))

struct vcpu {
    struct fake_guest *guest;
    pthread_t thread;
    unsigned int number;
    unsigned int seed;
};

struct fake_guest {
    uint64_t nr_pfns;
    atomic_uint *generation; /* NO_PAGE: the guest has none there */
    unsigned int nr_vcpus;
    struct vcpu *vcpus;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_domain *domain; /* NULL: does not run */
    unsigned int busy;          /* vCPUs at work in the domain */
    bool stop;

    atomic_uint errors;
};

/* ---- contents ---- */

/* Now and then a page is all zeroes, or zeroes but for its last word, or the
 * same word all over; and some have much that is alike. */
static uint64_t word_of(uint64_t pfn, uint32_t generation, size_t i)
{
    uint64_t x = pfn * 0x9e3779b97f4a7c15ULL + generation;

    switch ((pfn + generation) % 16) {
    case 3:
    case 7:
    case 11:
    case 15:
        return 0;
    case 6:
        return i == WORDS - 1 ? x : 0;
    case 10:
        return x;
    case 1:
    case 2:
    case 4:
    case 5:
    case 12:
    case 13:
        return i % 16 ? i : x + i;
    default:
        x ^= x >> 29;
        x *= 0xbf58476d1ce4e5b9ULL;
        return x + i * 0x94d049bb133111ebULL;
    }
}

static void fill(uint64_t *page, uint64_t pfn, uint32_t generation)
{
    size_t i;

    for (i = 0; i < WORDS; i++) {
        page[i] = word_of(pfn, generation, i);
    }
}

static bool holds(const uint64_t *page, uint64_t pfn, uint32_t generation)
{
    size_t i;

    for (i = 0; i < WORDS; i++) {
        if (page[i] != word_of(pfn, generation, i)) {
            return false;
        }
    }
    return true;
}

static void complain(struct fake_guest *guest, uint64_t pfn,
                     const uint64_t *page)
{
    uint32_t generation = atomic_load(&guest->generation[pfn]);

    if (atomic_fetch_add(&guest->errors, 1) > 4) {
        return;
    }
    if (generation == NO_PAGE || !page) {
        fprintf(stderr, "pfn %#llx: %s\n", (unsigned long long)pfn,
                page ? "a page where there is none" : "no page");
        return;
    }
    fprintf(stderr, "pfn %#llx: expected generation %u (%#llx), found %#llx\n",
            (unsigned long long)pfn, generation,
            (unsigned long long)word_of(pfn, generation, 0),
            (unsigned long long)page[0]);
}

static void check_page(void *page, uint64_t pfn, void *data)
{
    struct fake_guest *guest = data;
    uint32_t generation = atomic_load(&guest->generation[pfn]);

    if (generation != NO_PAGE && !holds(page, pfn, generation)) {
        complain(guest, pfn, page);
    }
}

static void write_page(void *page, uint64_t pfn, void *data)
{
    struct fake_guest *guest = data;
    uint32_t generation = atomic_load(&guest->generation[pfn]);

    if (generation == NO_PAGE) {
        return;
    }
    check_page(page, pfn, data);
    atomic_store(&guest->generation[pfn], generation + 1);
    fill(page, pfn, generation + 1);
}

/* ---- vCPUs ---- */

/* The domain in which the guest runs; waits until the guest runs somewhere.
 * NULL: the guest must stop. */
static struct fake_domain *enter(struct fake_guest *guest, bool wait)
{
    struct fake_domain *domain;

    pthread_mutex_lock(&guest->lock);
    while (wait && !guest->stop && !guest->domain) {
        pthread_cond_wait(&guest->changed, &guest->lock);
    }
    domain = guest->stop ? NULL : guest->domain;
    if (domain) {
        guest->busy++;
    }
    pthread_mutex_unlock(&guest->lock);
    return domain;
}

static void leave(struct fake_guest *guest)
{
    pthread_mutex_lock(&guest->lock);
    guest->busy--;
    pthread_cond_broadcast(&guest->changed);
    pthread_mutex_unlock(&guest->lock);
}

static enum fake_access access_page(struct fake_guest *guest,
                                    struct fake_domain *domain,
                                    unsigned int vcpu, uint64_t pfn,
                                    bool write)
{
    enum fake_access access = fake_vcpu_access(
        domain, vcpu, pfn, write, write ? write_page : check_page, guest);

    if (access == FAKE_ACCESS_NO_PAGE &&
        atomic_load(&guest->generation[pfn]) != NO_PAGE) {
        complain(guest, pfn, NULL);
    }
    return access;
}

static void *run_vcpu(void *data)
{
    struct vcpu *vcpu = data;
    struct fake_guest *guest = vcpu->guest;
    struct fake_domain *domain;
    enum fake_access access = FAKE_ACCESS_DONE;

    while (access != FAKE_ACCESS_STOPPED && access != FAKE_ACCESS_CRASHED &&
           (domain = enter(guest, true))) {
        unsigned int random = (unsigned int)rand_r(&vcpu->seed);
        uint64_t pfn = (random >> 1) % guest->nr_pfns;

        access = access_page(guest, domain, vcpu->number, pfn, random & 1);
        leave(guest);
    }
    return NULL;
}

void fake_guest_start(struct fake_guest *guest, unsigned int seed)
{
    unsigned int i;

    guest->started = true;
    guest->stop = false;
    for (i = 0; i < guest->nr_vcpus; i++) {
        guest->vcpus[i] =
            (struct vcpu){.guest = guest, .number = i, .seed = seed + i};
        if (pthread_create(&guest->vcpus[i].thread, NULL, run_vcpu,
                           &guest->vcpus[i])) {
            abort();
        }
    }
}

void fake_guest_stop(struct fake_guest *guest)
{
    unsigned int i;

    pthread_mutex_lock(&guest->lock);
    guest->stop = true;
    pthread_cond_broadcast(&guest->changed);
    pthread_mutex_unlock(&guest->lock);
    for (i = 0; guest->started && i < guest->nr_vcpus; i++) {
        pthread_join(guest->vcpus[i].thread, NULL);
    }
    guest->started = false;
}

void fake_guest_move(struct fake_guest *guest, struct fake_domain *domain)
{
    pthread_mutex_lock(&guest->lock);
    guest->domain = domain;
    pthread_cond_broadcast(&guest->changed);
    while (!domain && guest->busy) {
        pthread_cond_wait(&guest->changed, &guest->lock);
    }
    pthread_mutex_unlock(&guest->lock);
}

enum fake_access fake_guest_write(struct fake_guest *guest, unsigned int vcpu,
                                  uint64_t pfn)
{
    struct fake_domain *domain = enter(guest, false);
    enum fake_access access = FAKE_ACCESS_NOT_RUNNING;

    if (domain) {
        access = access_page(guest, domain, vcpu, pfn, true);
        leave(guest);
    }
    return access;
}

void fake_guest_give_back(struct fake_guest *guest, uint64_t pfn)
{
    atomic_store(&guest->generation[pfn], NO_PAGE);
    if (!fake_guest_balloon(guest->domain, pfn)) {
        abort();
    }
}

bool fake_guest_take_quietly(struct fake_guest *guest, uint64_t pfn)
{
    if (!fake_guest_unballoon(guest->domain, pfn)) {
        return false;
    }
    fill(fake_page_memory(guest->domain, pfn), pfn, 1000);
    atomic_store(&guest->generation[pfn], 1000);
    return true;
}

bool fake_guest_take_page(struct fake_guest *guest, uint64_t pfn)
{
    if (!fake_guest_take_quietly(guest, pfn)) {
        return false;
    }
    fake_guest_write(guest, 0, pfn);
    return true;
}

void fake_guest_grow(struct fake_guest *guest, uint64_t nr_pfns)
{
    guest->generation =
        realloc(guest->generation, nr_pfns * sizeof(*guest->generation));
    for (; guest->nr_pfns < nr_pfns; guest->nr_pfns++) {
        guest->generation[guest->nr_pfns] = NO_PAGE;
    }
}

void fake_guest_lend(struct fake_guest *guest, uint64_t pfn)
{
    atomic_store(&guest->generation[pfn], NO_PAGE);
}

/* ---- looking at it from outside ---- */

unsigned int fake_guest_errors(struct fake_guest *guest)
{
    return atomic_load(&guest->errors);
}

bool fake_guest_has(struct fake_guest *guest, uint64_t pfn)
{
    return atomic_load(&guest->generation[pfn]) != NO_PAGE;
}

bool fake_guest_page_good(struct fake_guest *guest, struct fake_domain *domain,
                          uint64_t pfn)
{
    return fake_page_get(domain, pfn) == FAKE_RAM &&
           holds(fake_page_memory(domain, pfn), pfn,
                 atomic_load(&guest->generation[pfn]));
}

unsigned int fake_guest_compare(struct fake_guest *guest,
                                struct fake_domain *domain)
{
    unsigned int wrong = 0;
    uint64_t pfn;

    for (pfn = 0; pfn < guest->nr_pfns; pfn++) {
        if (fake_guest_has(guest, pfn) &&
            !fake_guest_page_good(guest, domain, pfn)) {
            complain(guest, pfn,
                     fake_page_get(domain, pfn) == FAKE_RAM
                         ? fake_page_memory(domain, pfn)
                         : NULL);
            wrong++;
        }
    }
    return wrong;
}

struct fake_guest *fake_guest_new(struct fake_domain *domain, uint64_t nr_pfns,
                                  unsigned int vcpus)
{
    struct fake_guest *guest = calloc(1, sizeof(*guest));
    uint64_t pfn;

    guest->nr_pfns = nr_pfns;
    guest->nr_vcpus = vcpus;
    guest->vcpus = calloc(vcpus, sizeof(*guest->vcpus));
    guest->generation = calloc(nr_pfns, sizeof(*guest->generation));
    guest->domain = domain;
    pthread_mutex_init(&guest->lock, NULL);
    pthread_cond_init(&guest->changed, NULL);
    for (pfn = 0; pfn < nr_pfns; pfn++) {
        if (fake_page_get(domain, pfn) == FAKE_RAM) {
            fill(fake_page_memory(domain, pfn), pfn, 0);
        } else {
            guest->generation[pfn] = NO_PAGE;
        }
    }
    return guest;
}

void fake_guest_free(struct fake_guest *guest)
{
    fake_guest_stop(guest);
    pthread_mutex_destroy(&guest->lock);
    pthread_cond_destroy(&guest->changed);
    free(guest->generation);
    free(guest->vcpus);
    free(guest);
}
