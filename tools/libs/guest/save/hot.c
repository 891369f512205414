/*
 * The hot set: what the guest writes in its last moments at the source.
 *
 * Some pages have to be at the destination before the guest runs: those that
 * the hypervisor reads on the guest's behalf without asking a pager, such as
 * those of vcpu_info.  No interface names them, but a guest writes to each of
 * them on its way down.  They, and what else was written last, are also what
 * the guest needs first.
 *
 * While the guest suspends, a thread reads the dirty log every few
 * milliseconds, so that afterwards it is known what was written last, and
 * what shortly before.  What it finds that the destination does not expect is
 * told at once: the list that is left for the stop is short.
 *
 * Of a guest that writes fast that is more than is to be sent in the stop. The
 * pages that it cannot do without are told by what is in them, and they are
 * looked for at once, too, so that the stop has few left to look at.
 */
#include "save/hot.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "policy/pinned_page.h"
#include "save/pages.h"

/* Samples that are kept one by one. */
#define SAMPLES 8
/* So many are the last moment for the push, and as many the one before. */
#define LAST_SAMPLES 2
/* From the end of a sample to the next, or three times what it took: after
 * each the guest pays for its first write to every page once more. */
#define SAMPLE_PAUSE_MS 20

struct xlm_hot {
    struct xlm_saver *saver;
    pthread_t thread;
    int stop_fd;
    unsigned int taken;
    struct xlm_pfn_set samples[SAMPLES]; /* by number modulo SAMPLES */
    /* What was in all before: where many vCPUs share a processor, the first
     * has long been still when the last one stops. */
    struct xlm_pfn_set older;
    struct xlm_pfn_set looked_at;
    struct xlm_pfn_set pinned; /* of these, those that the hypervisor holds */
    struct xlm_pfn_set scratch;
    int rc;
};

static void dispose(struct xlm_hot *hot)
{
    if (hot->stop_fd >= 0) {
        close(hot->stop_fd);
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        xlm_pfn_set_dispose(&hot->samples[i]);
    }
    xlm_pfn_set_dispose(&hot->older);
    xlm_pfn_set_dispose(&hot->looked_at);
    xlm_pfn_set_dispose(&hot->pinned);
    xlm_pfn_set_dispose(&hot->scratch);
    free(hot);
}

/* Of `count` pages, those that the hypervisor holds. */
static int add_pinned(struct xlm_saver *saver, struct xlm_pfn_set *set,
                      size_t count, const uint64_t *pfns)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    int errors[XLM_BATCH_PAGES];
    uint8_t *mapping;

    mapping =
        hv->ops->map(hv, saver->params->domid, false, count, pfns, errors);
    if (!mapping) {
        return xlm_fail(saver->ctx, "cannot look at what the guest wrote: %s",
                        strerror(errno));
    }
    for (size_t i = 0; i < count; i++) {
        if (!errors[i] && xlm_is_pinned_page(mapping + i * XLM_PAGE_SIZE)) {
            xlm_pfn_set_add(set, pfns[i]);
        }
    }
    hv->ops->unmap(hv, mapping, count);
    return 0;
}

/* The same of a set. */
static int find_pinned(struct xlm_saver *saver, struct xlm_pfn_set *set,
                       const struct xlm_pfn_set *among)
{
    uint64_t pfns[XLM_BATCH_PAGES];
    uint64_t pfn = xlm_pfn_set_next(among, 0);

    while (pfn != XLM_PFN_NONE) {
        size_t count = 0;

        while (pfn != XLM_PFN_NONE && count < XLM_BATCH_PAGES) {
            pfns[count++] = pfn;
            pfn = xlm_pfn_set_next(among, pfn + 1);
        }
        if (add_pinned(saver, set, count, pfns)) {
            return -1;
        }
    }
    return 0;
}

/* Which pages these are does not change while a guest runs: none has to be
 * looked at twice. */
static int look_at(struct xlm_hot *hot, const struct xlm_pfn_set *written)
{
    struct xlm_pfn_set *fresh = &hot->scratch;

    if (!hot->saver->params->hot_pages_max) {
        return 0;
    }
    xlm_pfn_set_clear(fresh);
    xlm_pfn_set_unite(fresh, written);
    xlm_pfn_set_subtract(fresh, &hot->looked_at);
    xlm_pfn_set_unite(&hot->looked_at, fresh);
    return find_pinned(hot->saver, &hot->pinned, fresh);
}

static int sample(struct xlm_hot *hot)
{
    struct xlm_saver *saver = hot->saver;
    struct xlm_pfn_set *set = &hot->samples[hot->taken % SAMPLES];

    if (xlm_save_read_dirty(saver, true)) {
        return -1;
    }
    hot->taken++;
    xlm_pfn_set_unite(&hot->older, set);
    xlm_pfn_set_clear(set);
    xlm_pfn_set_unite(set, &saver->sets.dirty);
    return xlm_save_list_dirty(saver) || look_at(hot, set) ? -1 : 0;
}

static void *run(void *data)
{
    struct xlm_hot *hot = data;
    struct pollfd stop = {.fd = hot->stop_fd, .events = POLLIN};
    uint64_t pause_ms = 0;

    while (!hot->rc && poll(&stop, 1, pause_ms) <= 0) {
        uint64_t began_us = xlm_now_us();

        hot->rc = sample(hot);
        pause_ms = (xlm_now_us() - began_us) * 3 / 1000;
        if (pause_ms < SAMPLE_PAUSE_MS) {
            pause_ms = SAMPLE_PAUSE_MS;
        }
    }
    return NULL;
}

struct xlm_hot *xlm_hot_start(struct xlm_saver *saver)
{
    struct xlm_hot *hot = calloc(1, sizeof(*hot));
    bool made;
    int error;

    if (!hot) {
        xlm_fail(saver->ctx, "no memory to watch what the guest writes");
        return NULL;
    }
    hot->saver = saver;
    hot->stop_fd = eventfd(0, EFD_CLOEXEC);
    made = hot->stop_fd >= 0 &&
           !xlm_pfn_set_reserve(&hot->older, saver->domain.nr_pfns) &&
           !xlm_pfn_set_reserve(&hot->looked_at, saver->domain.nr_pfns) &&
           !xlm_pfn_set_reserve(&hot->pinned, saver->domain.nr_pfns) &&
           !xlm_pfn_set_reserve(&hot->scratch, saver->domain.nr_pfns);
    for (size_t i = 0; made && i < SAMPLES; i++) {
        made = !xlm_pfn_set_reserve(&hot->samples[i], saver->domain.nr_pfns);
    }
    error = made ? pthread_create(&hot->thread, NULL, run, hot) : errno;
    if (error) {
        xlm_fail(saver->ctx, "cannot watch what the guest writes: %s",
                 strerror(error));
        dispose(hot);
        return NULL;
    }
    return hot;
}

/* Add members of a set, the lowest first, until there are `most`. */
static void add_up_to(struct xlm_pfn_set *set, const struct xlm_pfn_set *more,
                      uint64_t most)
{
    uint64_t pfn;

    for (pfn = xlm_pfn_set_next(more, 0);
         pfn != XLM_PFN_NONE && set->count < most;
         pfn = xlm_pfn_set_next(more, pfn + 1)) {
        xlm_pfn_set_add(set, pfn);
    }
}

/* The nth last that was seen written; NULL when there is none. */
static const struct xlm_pfn_set *written(const struct xlm_hot *hot,
                                         unsigned int nth)
{
    if (!nth) {
        return &hot->saver->sets.dirty;
    }
    if (nth > hot->taken || nth > SAMPLES + 1) {
        return NULL;
    }
    return nth > SAMPLES ? &hot->older
                         : &hot->samples[(hot->taken - nth) % SAMPLES];
}

/* For the push: which of saver->sets.recent the nth last is part of. */
static unsigned int recent_of(unsigned int nth)
{
    return nth < LAST_SAMPLES ? 0 : nth < 2 * LAST_SAMPLES ? 1 : 2;
}

int xlm_hot_stop(struct xlm_hot *hot, struct xlm_pfn_set *hottest)
{
    struct xlm_saver *saver = hot->saver;
    uint32_t most = saver->params->hot_pages_max;
    const struct xlm_pfn_set *set;
    int rc;

    eventfd_write(hot->stop_fd, 1);
    pthread_join(hot->thread, NULL);
    rc = hot->rc;
    if (!rc) {
        /* What came after the last sample, then the samples backwards. */
        rc = xlm_save_read_dirty(saver, false);
    }
    if (!rc) {
        rc = look_at(hot, &saver->sets.dirty);
    }
    xlm_pfn_set_clear(hottest);
    xlm_pfn_set_unite(hottest, &hot->pinned);
    for (unsigned int nth = 0; !rc && (set = written(hot, nth)); nth++) {
        add_up_to(hottest, set, most);
        xlm_pfn_set_unite(&saver->sets.recent[recent_of(nth)], set);
    }
    dispose(hot);
    return rc;
}
