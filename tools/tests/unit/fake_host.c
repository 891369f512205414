/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor as tests see it: hosts, domains, pages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_internal.h"
#include "wire/wire.h"

#define FIRST_DOMID 7 /* a number that no test would guess */
/* Another test that runs at the same time, or the other host, must not have
 * the same numbers: the sockets of device models are named after them. */
#define OTHER_TESTS 400
#define OTHER_HOSTS 16
#define DOMIDS 4

#define FAKE_OP_NAME(name) #name,
const char *const fake_op_names[FAKE_OP_COUNT] = {FAKE_OPS(FAKE_OP_NAME)};
#undef FAKE_OP_NAME

/* ---- hosts ---- */

/* A thread passes a gate before it takes the lock: otherwise, on a busy
 * machine, a vCPU that takes the lock again and again would leave no turn to
 * waiting threads. */
void fake_lock(struct fake_host *host)
{
    pthread_mutex_lock(&host->gate);
    pthread_mutex_lock(&host->lock);
    pthread_mutex_unlock(&host->gate);
}

void fake_unlock(struct fake_host *host)
{
    pthread_mutex_unlock(&host->lock);
}

void fake_wait(struct fake_host *host)
{
    pthread_cond_wait(&host->changed, &host->lock);
}

void fake_wake(struct fake_host *host)
{
    pthread_cond_broadcast(&host->changed);
}

void fake_violation(struct fake_host *host, const char *format, ...)
{
    va_list args;

    if (host->violations++ == 0) {
        va_start(args, format);
        vsnprintf(host->first_violation, sizeof(host->first_violation), format,
                  args);
        va_end(args);
    }
}

static atomic_uint hosts;

struct fake_host *fake_host_new(uint64_t free_pages)
{
    struct fake_host *host = calloc(1, sizeof(*host));

    pthread_mutex_init(&host->gate, NULL);
    pthread_mutex_init(&host->lock, NULL);
    pthread_cond_init(&host->changed, NULL);
    host->free_pages = free_pages;
    fake_host_release(host, FAKE_XEN_MINOR, FAKE_XEN_INTERFACE);
    host->next_domid =
        FIRST_DOMID + DOMIDS * (getpid() % OTHER_TESTS * OTHER_HOSTS +
                                atomic_fetch_add(&hosts, 1) % OTHER_HOSTS);
    return host;
}

static void domain_free(struct fake_domain *domain)
{
    size_t i;

    fake_paging_dispose(domain);
    for (i = 0; i < FAKE_STATES; i++) {
        free(domain->states[i].data);
    }
    munmap(domain->memory, domain->nr_pfns * XLM_PAGE_SIZE);
    close(domain->memfd);
    free(domain->p2m);
    free(domain->refs);
    free(domain->busy);
    free(domain->granted);
    free(domain->large);
    free(domain->dirty);
    free(domain->unlogged);
    free(domain);
}

void fake_host_free(struct fake_host *host)
{
    struct fake_domain *domain, *next;

    assert_int_equal(host->handles, 0);
    for (domain = host->domains; domain; domain = next) {
        next = domain->next;
        domain_free(domain);
    }
    free(host->cpuid.data);
    pthread_mutex_destroy(&host->gate);
    pthread_mutex_destroy(&host->lock);
    pthread_cond_destroy(&host->changed);
    free(host);
}

void fake_fail(struct fake_host *host, enum fake_op op, unsigned int nth,
               int error)
{
    fake_lock(host);
    host->orders[op].nth = nth;
    host->orders[op].error = error;
    fake_unlock(host);
}

unsigned int fake_calls(struct fake_host *host, enum fake_op op)
{
    unsigned int calls;

    fake_lock(host);
    calls = host->calls[op];
    fake_unlock(host);
    return calls;
}

uint64_t fake_copied(struct fake_host *host)
{
    uint64_t copied;

    fake_lock(host);
    copied = host->copied;
    fake_unlock(host);
    return copied;
}

bool fake_failed(struct fake_host *host)
{
    bool failed;

    fake_lock(host);
    failed = host->failed;
    fake_unlock(host);
    return failed;
}

void fake_host_hook(struct fake_host *host, fake_hook *hook, void *data)
{
    fake_lock(host);
    host->hook = hook;
    host->hook_data = data;
    fake_unlock(host);
}

void fake_host_shadow_stacks(struct fake_host *host)
{
    host->shadow_stacks = true;
}

void fake_host_release(struct fake_host *host, uint32_t minor,
                       struct xlm_xen_interface interface)
{
    host->minor = minor;
    host->interface = interface;
}

void fake_host_no_paging(struct fake_host *host)
{
    host->no_paging = true;
}

void fake_host_no_access(struct fake_host *host, int error)
{
    host->no_access = error;
}

enum xlm_mechanism fake_pager(void)
{
    const char *name = getenv("FAKE_PAGER");

    if (!name || !strcmp(name, "paging")) {
        return XLM_MECHANISM_PAGING;
    }
    if (strcmp(name, "access")) {
        abort();
    }
    return XLM_MECHANISM_ACCESS;
}

void fake_only_paging(const char *otherwise)
{
    if (fake_pager() != XLM_MECHANISM_PAGING) {
        print_message("access rights: %s\n", otherwise);
        skip();
    }
}

enum fake_op fake_op_in(void)
{
    return fake_pager() == XLM_MECHANISM_PAGING ? FAKE_OP_page_in
                                                : FAKE_OP_get_access;
}

enum fake_op fake_op_out(void)
{
    return fake_pager() == XLM_MECHANISM_PAGING ? FAKE_OP_evict
                                                : FAKE_OP_set_access;
}

void fake_host_all_mapped(struct fake_host *host)
{
    host->all_mapped = true;
}

void fake_host_enomem(struct fake_host *host, unsigned int count)
{
    fake_lock(host);
    host->enomem = count;
    fake_unlock(host);
}

void fake_host_out_of_memory(struct fake_host *host, unsigned int patience)
{
    fake_lock(host);
    host->out_of_memory = true;
    host->patience = patience;
    fake_unlock(host);
}

unsigned int fake_violations(struct fake_host *host)
{
    unsigned int violations;

    fake_lock(host);
    violations = host->violations;
    fake_unlock(host);
    return violations;
}

void fake_host_check(struct fake_host *host)
{
    if (fake_violations(host)) {
        fail_msg("%u violations, first: %s", host->violations,
                 host->first_violation);
    }
}

/* ---- domains ---- */

static void allocate_pages(struct fake_domain *domain)
{
    size_t size = domain->nr_pfns * XLM_PAGE_SIZE;

    domain->memfd = memfd_create("guest", MFD_CLOEXEC);
    if (domain->memfd < 0 || ftruncate(domain->memfd, (off_t)size)) {
        abort();
    }
    domain->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, domain->memfd, 0);
    if (domain->memory == MAP_FAILED) {
        abort();
    }
    domain->p2m = calloc(domain->nr_pfns, 1);
    domain->refs = calloc(domain->nr_pfns, 1);
    domain->busy = calloc(domain->nr_pfns, sizeof(bool));
    domain->granted = calloc(domain->nr_pfns, sizeof(bool));
    domain->large = calloc(domain->nr_pfns, sizeof(bool));
    domain->dirty = calloc(domain->nr_pfns, sizeof(bool));
    domain->unlogged = calloc(domain->nr_pfns, sizeof(bool));
}

struct fake_domain *fake_domain_new(struct fake_host *host, uint64_t nr_pfns,
                                    uint64_t max_pages, unsigned int vcpus)
{
    struct fake_domain *domain = calloc(1, sizeof(*domain));

    domain->host = host;
    domain->nr_pfns = nr_pfns;
    domain->max_pages = max_pages;
    domain->vcpus = vcpus;
    domain->hap = true;
    domain->paused = true;
    allocate_pages(domain);

    fake_lock(host);
    domain->domid = host->next_domid++;
    memset(domain->handle, (int)domain->domid, sizeof(domain->handle));
    domain->next = host->domains;
    host->domains = domain;
    fake_unlock(host);
    /* Each domain has one, if an empty one. */
    fake_domain_put_state(domain, XLM_STATE_CPUID_POLICY, "", 0);
    return domain;
}

uint32_t fake_domain_id(const struct fake_domain *domain)
{
    return domain->domid;
}

void fake_domain_destroy(struct fake_domain *domain)
{
    struct fake_host *host = domain->host;

    fake_lock(host);
    domain->dead = true;
    domain->stopped = true;
    host->free_pages += domain->tot_pages + domain->claimed;
    domain->tot_pages = 0;
    domain->claimed = 0;
    fake_wake(host);
    fake_unlock(host);
}

void fake_domain_begin_dying(struct fake_domain *domain)
{
    fake_lock(domain->host);
    domain->dying = true;
    fake_unlock(domain->host);
}

void fake_domain_set_handle(struct fake_domain *domain,
                            const uint8_t handle[16])
{
    memcpy(domain->handle, handle, sizeof(domain->handle));
}

void fake_domain_set_hap(struct fake_domain *domain, bool hap)
{
    domain->hap = hap;
}

void fake_domain_set_emulated_devices(struct fake_domain *domain)
{
    fake_lock(domain->host);
    domain->emulated_devices = true;
    fake_unlock(domain->host);
}

void fake_domain_set_monitored(struct fake_domain *domain)
{
    fake_lock(domain->host);
    domain->monitored = true;
    fake_unlock(domain->host);
}

static void set_flag(struct fake_domain *domain, bool *flag, bool value)
{
    fake_lock(domain->host);
    *flag = value;
    if (!fake_is_held(domain) && !domain->suspended &&
        fake_context_can_run(domain)) {
        domain->ran = true;
        fake_context_run(domain);
        domain->cpu_ns += 10000000;
    }
    fake_wake(domain->host);
    fake_unlock(domain->host);
}

static bool get_flag(struct fake_domain *domain, const bool *flag)
{
    bool value;

    fake_lock(domain->host);
    value = *flag;
    fake_unlock(domain->host);
    return value;
}

void fake_domain_run(struct fake_domain *domain)
{
    set_flag(domain, &domain->paused, false);
}

void fake_domain_pause(struct fake_domain *domain)
{
    set_flag(domain, &domain->paused, true);
}

void fake_domain_suspend(struct fake_domain *domain)
{
    set_flag(domain, &domain->suspend_cancelled, false);
    set_flag(domain, &domain->suspended, true);
}

bool fake_domain_suspend_cancelled(struct fake_domain *domain)
{
    return get_flag(domain, &domain->suspend_cancelled);
}

void fake_domain_resume(struct fake_domain *domain)
{
    set_flag(domain, &domain->suspended, false);
}

void fake_domain_stop(struct fake_domain *domain)
{
    set_flag(domain, &domain->stopped, true);
}

bool fake_domain_running(struct fake_domain *domain)
{
    bool runs;

    fake_lock(domain->host);
    runs = !fake_is_held(domain) && !domain->suspended && !domain->crashed &&
           !domain->dead && fake_context_can_run(domain);
    fake_unlock(domain->host);
    return runs;
}

bool fake_domain_ran(struct fake_domain *domain)
{
    return get_flag(domain, &domain->ran);
}

bool fake_domain_crashed(struct fake_domain *domain)
{
    return get_flag(domain, &domain->crashed);
}

void fake_domain_crash(struct fake_domain *domain)
{
    set_flag(domain, &domain->crashed, true);
}

bool fake_domain_logdirty(struct fake_domain *domain)
{
    return get_flag(domain, &domain->logdirty);
}

bool fake_domain_pager_enabled(struct fake_domain *domain)
{
    bool enabled;

    fake_lock(domain->host);
    enabled = domain->paging;
    fake_unlock(domain->host);
    return enabled;
}

void fake_host_put_cpuid(struct fake_host *host, const void *data,
                         size_t length)
{
    fake_lock(host);
    free(host->cpuid.data);
    host->cpuid.data = malloc(length ? length : 1);
    memcpy(host->cpuid.data, data, length);
    host->cpuid.length = length;
    fake_unlock(host);
}

void fake_domain_put_state(struct fake_domain *domain,
                           enum xlm_platform_state which, const void *data,
                           size_t length)
{
    struct fake_blob *blob = &domain->states[which];

    fake_lock(domain->host);
    free(blob->data);
    blob->data = malloc(length ? length : 1);
    memcpy(blob->data, data, length);
    blob->length = length;
    fake_unlock(domain->host);
}

void fake_domain_load_context(struct fake_domain *domain, const void *context,
                              size_t length)
{
    fake_domain_put_state(domain, XLM_STATE_HVM_CONTEXT, context, length);
    fake_lock(domain->host);
    fake_context_load(domain, context, length);
    fake_unlock(domain->host);
}

const void *fake_domain_peek_state(struct fake_domain *domain,
                                   enum xlm_platform_state which,
                                   size_t *length)
{
    *length = domain->states[which].length;
    return domain->states[which].data;
}

void fake_domain_put_param(struct fake_domain *domain, uint32_t index,
                           uint64_t value)
{
    fake_lock(domain->host);
    domain->params[index] = value;
    fake_unlock(domain->host);
}

uint64_t fake_domain_peek_param(struct fake_domain *domain, uint32_t index)
{
    uint64_t value;

    fake_lock(domain->host);
    value = domain->params[index];
    fake_unlock(domain->host);
    return value;
}

void fake_domain_set_max_pages(struct fake_domain *domain, uint64_t pages)
{
    fake_lock(domain->host);
    domain->max_pages = pages;
    fake_unlock(domain->host);
}

uint64_t fake_domain_max_pages(struct fake_domain *domain)
{
    uint64_t pages;

    fake_lock(domain->host);
    pages = domain->max_pages;
    fake_unlock(domain->host);
    return pages;
}

static void *grown(void *array, uint64_t had, uint64_t has, size_t size)
{
    uint8_t *larger = realloc(array, has * size);

    memset(larger + had * size, 0, (has - had) * size);
    return larger;
}

void fake_domain_grow(struct fake_domain *domain, uint64_t nr_pfns)
{
    uint64_t had = domain->nr_pfns;

    fake_lock(domain->host);
    domain->memory = mremap(domain->memory, had * XLM_PAGE_SIZE,
                            nr_pfns * XLM_PAGE_SIZE, MREMAP_MAYMOVE);
    if (domain->memory == MAP_FAILED ||
        ftruncate(domain->memfd, (off_t)(nr_pfns * XLM_PAGE_SIZE))) {
        abort();
    }
    domain->p2m = grown(domain->p2m, had, nr_pfns, 1);
    domain->refs = grown(domain->refs, had, nr_pfns, 1);
    domain->busy = grown(domain->busy, had, nr_pfns, sizeof(bool));
    domain->granted = grown(domain->granted, had, nr_pfns, sizeof(bool));
    domain->large = grown(domain->large, had, nr_pfns, sizeof(bool));
    domain->dirty = grown(domain->dirty, had, nr_pfns, sizeof(bool));
    domain->unlogged = grown(domain->unlogged, had, nr_pfns, sizeof(bool));
    domain->nr_pfns = nr_pfns;
    fake_unlock(domain->host);
}

void fake_host_drops_paged(struct fake_host *host)
{
    fake_lock(host);
    host->drops_paged = true;
    fake_unlock(host);
}

/* ---- pages ---- */

static void take_page(struct fake_domain *domain)
{
    if (domain->claimed) {
        domain->claimed--;
    } else {
        domain->host->free_pages--;
    }
    domain->tot_pages++;
}

static bool can_take_page(const struct fake_domain *domain)
{
    return domain->tot_pages < domain->max_pages &&
           (domain->claimed || domain->host->free_pages);
}

int fake_page_move(struct fake_domain *domain, uint64_t pfn,
                   unsigned int state)
{
    bool had = fake_has_frame(domain->p2m[pfn]);
    bool has = fake_has_frame(state);

    if (has && !had) {
        if (!can_take_page(domain)) {
            errno = ENOMEM;
            return -1;
        }
        take_page(domain);
    } else if (had && !has) {
        domain->tot_pages--;
        domain->host->free_pages++;
    }
    domain->paged_pages += fake_is_paged(state);
    domain->paged_pages -= fake_is_paged(domain->p2m[pfn]);
    domain->hidden_pages += state == FAKE_HIDDEN;
    domain->hidden_pages -= domain->p2m[pfn] == FAKE_HIDDEN;
    domain->p2m[pfn] = state;
    domain->large[fake_region_of(pfn)] = false;
    return 0;
}

void fake_page_set(struct fake_domain *domain, uint64_t pfn,
                   enum fake_page state)
{
    int rc;

    assert_true(pfn < domain->nr_pfns);
    fake_lock(domain->host);
    rc = fake_page_move(domain, pfn, state);
    memset(domain->memory + pfn * XLM_PAGE_SIZE, 0, XLM_PAGE_SIZE);
    fake_unlock(domain->host);
    assert_int_equal(rc, 0);
}

enum fake_page fake_page_get(struct fake_domain *domain, uint64_t pfn)
{
    enum fake_page state;

    fake_lock(domain->host);
    state = pfn < domain->nr_pfns ? domain->p2m[pfn] : FAKE_HOLE;
    if ((unsigned int)state == FAKE_HIDDEN) {
        state = FAKE_PAGED;
    }
    fake_unlock(domain->host);
    return state;
}

void fake_page_busy(struct fake_domain *domain, uint64_t pfn, bool busy)
{
    fake_lock(domain->host);
    domain->busy[pfn] = busy;
    fake_unlock(domain->host);
}

void fake_page_map_error(struct fake_domain *domain, uint64_t pfn, int error)
{
    fake_lock(domain->host);
    domain->bad_pfn = pfn;
    domain->bad_errno = error;
    fake_unlock(domain->host);
}

void *fake_page_memory(struct fake_domain *domain, uint64_t pfn)
{
    assert_true(pfn < domain->nr_pfns);
    return domain->memory + pfn * XLM_PAGE_SIZE;
}

uint64_t fake_domain_paged(struct fake_domain *domain)
{
    uint64_t count;

    fake_lock(domain->host);
    count = domain->paged_pages + domain->hidden_pages;
    fake_unlock(domain->host);
    return count;
}

uint64_t fake_domain_resident(struct fake_domain *domain)
{
    uint64_t count;

    fake_lock(domain->host);
    count = domain->tot_pages;
    fake_unlock(domain->host);
    return count;
}

bool fake_page_dirty(struct fake_domain *domain, uint64_t pfn)
{
    return get_flag(domain, &domain->dirty[pfn]);
}
