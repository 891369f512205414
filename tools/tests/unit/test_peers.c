/*
 * Peers that lie, stall and die: one end is the engine, the other end is a
 * puppet of the test.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"
#include "fake_guest.h"
#include "fake_hypervisor.h"
#include "fake_log.h"
#include "fake_memory.h"
#include "pfn_set.h"
#include "record.h"
#include "watchdog.h"
#include "wire.h"
#include "xlm.h"

#define PAGES 40
#define BIG_PAGES 4000       /* more than sockets take */
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
    bool suspended;
    bool ran;
    uint64_t nr_pfns;          /* of the domain, at a destination */
    uint64_t max_pages;        /* of the configuration, at a destination */
    bool in_octets;            /* the puppet speaks one octet at a time */
    struct fake_memory memory; /* of a destination */
};

/* ---- the puppet's own writing and reading ---- */

static void say_octets(struct puppet *puppet, const void *octets,
                       size_t length)
{
    const uint8_t *next = octets;
    size_t step = puppet->in_octets ? 1 : length;

    /* The engine may have hung up: that is its right. */
    for (; length; length -= step, next += step) {
        (void)!send(puppet->fd, next, step, MSG_NOSIGNAL);
    }
}

static void say(struct puppet *puppet, uint32_t type, const void *body,
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

static void say_list(struct puppet *puppet, uint32_t type, size_t count,
                     const uint64_t *entries)
{
    uint64_t body[1 + PAGES] = {count};

    if (count) {
        memcpy(body + 1, entries, 8 * count);
    }
    say(puppet, type, body, (uint32_t)(8 + 8 * count));
}

static void say_page(struct puppet *puppet, uint32_t type, uint64_t pfn,
                     int fill)
{
    uint8_t body[16 + XLM_PAGE_SIZE] = {1};

    memcpy(body + 8, &pfn, 8);
    memset(body + 16, fill, XLM_PAGE_SIZE);
    say(puppet, type, body, sizeof(body));
}

static void say_answer(struct puppet *puppet, uint32_t type, uint32_t status)
{
    const struct xlm_wire_answer answer = {.status = status};

    say(puppet, type, &answer, sizeof(answer));
}

static void say_credit(struct puppet *puppet)
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

    if (type != XLM_REC_POSTCOPY_PAGE_DATA &&
        type != XLM_REC_POSTCOPY_ZERO_PAGES) {
        return;
    }
    puppet->unpaid += count;
    puppet->last_pfn = xlm_entry_pfn(body[count]);
    if (puppet->credits) {
        say_credit(puppet);
    }
}

/* Read a record; 0 when no more come, else its type. */
static uint32_t hear_next(struct puppet *puppet)
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
    return header.type ? header.type : HEARD_END;
}

/* Read records until one of this type has been read; false: no more come. */
static bool hear(struct puppet *puppet, uint32_t type)
{
    uint32_t heard;

    do {
        heard = hear_next(puppet);
    } while (heard && heard != (type ? type : HEARD_END));
    return heard;
}

static struct puppet *new_puppet(void)
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

static void hang_up(struct puppet *puppet)
{
    shutdown(puppet->fd, SHUT_RDWR);
}

static void free_puppet(struct puppet *puppet)
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

/* ---- a puppet destination ---- */

static enum xlm_precopy_answer policy(const struct xlm_precopy_stats *stats,
                                      void *data)
{
    (void)stats;
    (void)data;
    return XLM_PRECOPY_POSTCOPY;
}

static int switch_qemu_logdirty(bool enable, void *data)
{
    (void)enable;
    (void)data;
    return 0;
}

static int suspend(void *data)
{
    struct puppet *puppet = data;

    fake_guest_write(puppet->guest, 0, 3);
    fake_guest_move(puppet->guest, NULL);
    fake_domain_suspend(puppet->domain);
    puppet->suspended = true;
    return 0;
}

static int no_device_state(struct xlm_channel *channel, void *data)
{
    (void)channel;
    (void)data;
    return 0;
}

static int put_away(void *data)
{
    (void)data;
    return 0;
}

static void *run_save(void *data)
{
    struct puppet *puppet = data;
    const struct xlm_save_callbacks callbacks = {
        .precopy_policy = policy,
        .switch_qemu_logdirty = switch_qemu_logdirty,
        .suspend = suspend,
        .write_device_state = no_device_state,
        .put_away = put_away,
        .data = puppet,
    };
    struct xlm_save_params params;

    xlm_save_params_init(&params);
    params.domid = fake_domain_id(puppet->domain);
    params.in_fd = params.out_fd = puppet->engine_fd;
    params.credit_pages = puppet->credit;
    puppet->rc = xlm_save(&puppet->ctx, &params, &callbacks, &puppet->stats,
                          &puppet->over);
    shutdown(puppet->engine_fd, SHUT_RDWR);
    return NULL;
}

static struct puppet *start_save_with(uint64_t pages, uint32_t credit)
{
    struct puppet *puppet = new_puppet();
    uint64_t pfn;

    puppet->credit = credit;
    puppet->domain = fake_domain_new(puppet->host, pages, pages, 1);
    for (pfn = 0; pfn < pages; pfn++) {
        fake_page_set(puppet->domain, pfn, FAKE_RAM);
    }
    fake_domain_put_state(puppet->domain, XLM_STATE_CPUID_POLICY, "c", 1);
    fake_domain_put_state(puppet->domain, XLM_STATE_MSR_POLICY, "m", 1);
    fake_domain_put_state(puppet->domain, XLM_STATE_TSC_INFO,
                          "0123456789abcdef01234567", 24);
    fake_domain_put_state(puppet->domain, XLM_STATE_HVM_CONTEXT, "h", 1);
    puppet->guest = fake_guest_new(puppet->domain, pages, 1);
    fake_domain_run(puppet->domain);
    assert_int_equal(pthread_create(&puppet->thread, NULL, run_save, puppet),
                     0);
    return puppet;
}

static struct puppet *start_save(uint64_t pages)
{
    return start_save_with(pages, 1000000);
}

/* Play along as a destination that refuses nothing. */
static void play_to_prepare(struct puppet *puppet)
{
    char headers[sizeof(struct xlm_wire_image_header) +
                 sizeof(struct xlm_wire_domain_header)];

    assert_int_equal(recv(puppet->fd, headers, sizeof(headers), MSG_WAITALL),
                     sizeof(headers));
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARE));
}

static void play_to_list(struct puppet *puppet)
{
    play_to_prepare(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_PREPARED, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PFNS_END));
}

static void play_to_transition(struct puppet *puppet)
{
    play_to_list(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_TRANSITION));
}

static void play_to_go(struct puppet *puppet)
{
    play_to_transition(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_GO));
}

/* The save must end by itself, in failure, with the guest still here. */
static void expect_kept(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_false(puppet->over);
    assert_false(fake_domain_logdirty(puppet->domain));
    if (puppet->suspended) {
        fake_domain_resume(puppet->domain);
    }
    assert_true(fake_domain_running(puppet->domain));
    assert_int_equal(fake_guest_compare(puppet->guest, puppet->domain), 0);
    free_puppet(puppet);
}

/* As above, but it is not known whose the guest is: it must stay stopped. */
static void expect_let_go(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_true(puppet->over);
    assert_false(fake_domain_running(puppet->domain));
    assert_int_equal(fake_guest_compare(puppet->guest, puppet->domain), 0);
    free_puppet(puppet);
}

static void silence_instead_of_an_answer(void **state)
{
    struct puppet *puppet = start_save(PAGES);

    (void)state;
    play_to_prepare(puppet);
    hang_up(puppet);
    expect_kept(puppet);
}

static void wrong_answers(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_READY, XLM_REC_POSTCOPY_RUNNING, XLM_REC_END,
        XLM_REC_PAGE_DATA,      XLM_REC_POSTCOPY_GO,      0x7777};
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        puppet = start_save(PAGES);
        play_to_prepare(puppet);
        say_answer(puppet, types[i], 0);
        expect_kept(puppet);

        puppet = start_save(PAGES);
        play_to_list(puppet);
        say_answer(puppet, types[i], 0);
        expect_kept(puppet);

        if (types[i] != XLM_REC_POSTCOPY_READY) {
            puppet = start_save(PAGES);
            play_to_transition(puppet);
            say_answer(puppet, types[i], 0);
            expect_kept(puppet);
        }
    }
}

static void refusals(void **state)
{
    struct puppet *puppet = start_save(PAGES);

    (void)state;
    play_to_prepare(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_PREPARED, XLM_REFUSED_NO_MEMORY);
    expect_kept(puppet);

    puppet = start_save(PAGES);
    play_to_transition(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, XLM_REFUSED_OTHER);
    expect_kept(puppet);
}

static void evicted_what_is_not_there(void **state)
{
    struct puppet *puppet = start_save(PAGES);
    uint64_t pfn = PAGES;

    (void)state;
    play_to_list(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 1, &pfn);
    expect_kept(puppet);
}

/* Everything a destination can say wrongly once it has the go. */
static void lies_after_the_go(void **state)
{
    static const struct xlm_wire_credit credit = {.pages = 1000000};
    static const uint64_t beyond = PAGES;
    struct puppet *puppet;
    int lie;

    (void)state;
    for (lie = 0; lie < 9; lie++) {
        puppet = start_save(PAGES);
        play_to_go(puppet);
        switch (lie) {
        case 0:
            hang_up(puppet);
            break;
        case 1:
            say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
            break;
        case 2:
            say(puppet, XLM_REC_POSTCOPY_CREDIT, &credit, sizeof(credit));
            break;
        case 3:
            say_list(puppet, XLM_REC_POSTCOPY_FAULT, 1, &beyond);
            break;
        case 4:
            say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, XLM_REFUSED_OTHER);
            break;
        case 5:
            say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
            break;
        case 6:
            say(puppet, XLM_REC_POSTCOPY_PAGE_DATA, "12345678", 8);
            break;
        case 7:
            say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
            say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
            break;
        case 8:
            say(puppet, XLM_REC_POSTCOPY_GONE, NULL, 0);
            break;
        }
        expect_let_go(puppet);
    }
}

/* Complete, but the destination never said that the guest runs; or it says so
 * although the source has not sent everything. */
static void complete_without_running(void **state)
{
    struct puppet *puppet = start_save(PAGES);

    (void)state;
    puppet->credits = true;
    play_to_go(puppet);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    expect_let_go(puppet);
}

/* The guest has ended over there: no page is of use to anybody. */
static void gone(void **state)
{
    struct puppet *puppet = start_save(BIG_PAGES);

    (void)state;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say(puppet, XLM_REC_POSTCOPY_GONE, NULL, 0);
    assert_true(hear(puppet, XLM_REC_END));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_true(puppet->over);
    free_puppet(puppet);
}

static void complete_too_early(void **state)
{
    struct puppet *puppet = start_save(BIG_PAGES);

    (void)state;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    /* It cannot have sent all that by now. */
    pthread_join(puppet->thread, NULL);
    assert_false(hear(puppet, XLM_REC_END));
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->over);
    free_puppet(puppet);
}

/* It says something wrong and reads no more: who pushes is stuck in a write
 * and has to be fetched out of it. */
static void lies_and_does_not_read(void **state)
{
    struct puppet *puppet = start_save(BIG_PAGES);

    (void)state;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    expect_let_go(puppet);
}

/* Statistics of more vCPUs than it has sent times of, or than there can be. */
static void statistics_that_do_not_add_up(void **state)
{
    struct {
        struct xlm_wire_stats stats;
        uint64_t blocked_us[2];
    } odd[] = {{.stats.nr_vcpus = 3},
               {.stats.nr_vcpus = UINT32_MAX / 8 + 3},
               {.stats.nr_vcpus = 1}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct puppet *puppet = start_save(PAGES);

        puppet->credits = true;
        play_to_go(puppet);
        say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
        say(puppet, XLM_REC_POSTCOPY_STATS, &odd[i], sizeof(odd[i]));
        expect_let_go(puppet);
    }
}

/* Requests that make no sense but do no harm. */
static void odd_requests(void **state)
{
    static const struct xlm_wire_stats stats = {.faults = 1};
    static const uint64_t odd[] = {1, 1, 1, 3, 39, 39, 0};
    struct puppet *puppet = start_save(PAGES);
    int i;

    (void)state;
    puppet->credits = true;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    for (i = 0; i < 50; i++) {
        say_list(puppet, XLM_REC_POSTCOPY_FAULT, 7, odd);
    }
    assert_true(hear(puppet, XLM_REC_END));
    say_list(puppet, XLM_REC_POSTCOPY_FAULT, 7, odd);
    say(puppet, XLM_REC_POSTCOPY_STATS, &stats, sizeof(stats));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_true(puppet->over);
    assert_int_equal(puppet->stats.faults, 1);
    assert_int_equal(puppet->stats.requested_pages +
                         puppet->stats.pushed_pages,
                     puppet->stats.postcopy_pages);
    free_puppet(puppet);
}

/* Credit is for what nobody asked for: who waits for it has to wake up for a
 * request. */
static void requests_without_credit(void **state)
{
    struct puppet *puppet = start_save_with(PAGES, 16);
    uint64_t pfn;

    (void)state;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    /* It sends some unasked, and then waits. */
    assert_true(hear_next(puppet));
    for (pfn = PAGES - 1; pfn > 16; pfn--) {
        say_list(puppet, XLM_REC_POSTCOPY_FAULT, 1, &pfn);
        do {
            assert_true(hear_next(puppet));
        } while (puppet->last_pfn != pfn);
    }
    puppet->credits = true;
    say_credit(puppet);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_int_equal(puppet->stats.requested_pages, PAGES - 17);
    free_puppet(puppet);
}

/* ---- a puppet source ---- */

static int feed(const void *bytes, size_t length, void *data)
{
    (void)bytes;
    (void)length;
    (void)data;
    return 0;
}

static int await_domain(uint32_t *domid, void *data)
{
    struct puppet *puppet = data;

    fake_memory_leave_alone();
    puppet->domain =
        fake_domain_new(puppet->host, puppet->nr_pfns, puppet->nr_pfns, 1);
    *domid = fake_domain_id(puppet->domain);
    fake_memory_watch_again();
    return 0;
}

static int await_build(void *data)
{
    (void)data;
    return 0;
}

static int run(void *data)
{
    struct puppet *puppet = data;

    puppet->ran = true;
    fake_domain_run(puppet->domain);
    return 0;
}

static void *run_restore(void *data)
{
    struct puppet *puppet = data;
    const struct xlm_restore_callbacks callbacks = {
        .feed = feed,
        .feed_devices = feed,
        .await_domain = await_domain,
        .await_build = await_build,
        .read_device_state = no_device_state,
        .run = run,
        .data = puppet,
    };
    const struct xlm_restore_params params = {
        .in_fd = puppet->engine_fd,
        .out_fd = puppet->engine_fd,
        .max_pages = puppet->max_pages,
    };

    fake_memory_watch(&puppet->memory);
    puppet->rc = xlm_restore(&puppet->ctx, &params, &callbacks, &puppet->stats,
                             &puppet->over);
    fake_memory_watch(NULL);
    shutdown(puppet->engine_fd, SHUT_RDWR);
    return NULL;
}

static struct puppet *start_restore_with(uint64_t max_pages)
{
    struct puppet *puppet = new_puppet();

    puppet->max_pages = max_pages;
    puppet->nr_pfns = PAGES;
    assert_int_equal(
        pthread_create(&puppet->thread, NULL, run_restore, puppet), 0);
    return puppet;
}

static struct puppet *start_restore(void)
{
    return start_restore_with(0);
}

static void say_headers(struct puppet *puppet)
{
    struct xlm_wire_image_header image = {.marker = XLM_IMAGE_MARKER,
                                          .id = htonl(XLM_IMAGE_ID),
                                          .version = htonl(3)};
    struct xlm_wire_domain_header domain = {.type = XLM_DOMAIN_TYPE_HVM,
                                            .page_shift = XLM_PAGE_SHIFT};

    say_octets(puppet, &image, sizeof(image));
    say_octets(puppet, &domain, sizeof(domain));
}

static void say_platform(struct puppet *puppet)
{
    static const struct xlm_wire_tsc_info tsc = {.khz = 1};
    static const struct xlm_wire_hvm_params params = {.count = 0};

    say(puppet, XLM_REC_TSC_INFO, &tsc, sizeof(tsc));
    say(puppet, XLM_REC_HVM_PARAMS, &params, sizeof(params));
    say(puppet, XLM_REC_HVM_CONTEXT, "context", 7);
}

static void say_prepare(struct puppet *puppet, uint32_t version,
                        uint64_t pages, uint64_t pfns)
{
    const struct xlm_wire_prepare prepare = {
        .version = version, .pages = pages, .pfns = pfns, .credit = 16};

    say(puppet, XLM_REC_POSTCOPY_PREPARE, &prepare, sizeof(prepare));
}

static void start_live(struct puppet *puppet)
{
    say_headers(puppet);
    say(puppet, XLM_REC_STATIC_DATA_END, NULL, 0);
}

static void start_prepared(struct puppet *puppet)
{
    start_live(puppet);
    say_platform(puppet);
    say_prepare(puppet, 1, PAGES, PAGES);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
}

static void start_evicting(struct puppet *puppet)
{
    start_prepared(puppet);
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
}

/* Pages 1 to 3 are outstanding. */
static void start_evicted(struct puppet *puppet)
{
    start_evicting(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 3, (uint64_t[]){1, 2, 3});
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
}

static void start_ready(struct puppet *puppet)
{
    start_evicted(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 0, 0x11);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_READY));
}

static void start_running(struct puppet *puppet)
{
    start_ready(puppet);
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_RUNNING));
}

static void expect_never_ran(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_false(puppet->over);
    assert_false(puppet->ran);
    free_puppet(puppet);
}

/* It runs, lacks pages, and waits for them as long as it takes. */
static void expect_runs_on(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_true(puppet->over);
    assert_true(fake_domain_running(puppet->domain));
    assert_true(fake_domain_paged(puppet->domain) > 0);
    assert_true(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
}

static void bad_image_headers(void **state)
{
    union {
        struct {
            struct xlm_wire_image_header image;
            struct xlm_wire_domain_header domain;
        } is;
        uint8_t octets[40];
    } headers;
    size_t i;

    (void)state;
    for (i = 0; i < 30; i++) {
        struct puppet *puppet = start_restore();

        memset(&headers, 0, sizeof(headers));
        headers.is.image.marker = XLM_IMAGE_MARKER;
        headers.is.image.id = htonl(XLM_IMAGE_ID);
        headers.is.image.version = htonl(3);
        headers.is.domain.type = XLM_DOMAIN_TYPE_HVM;
        headers.is.domain.page_shift = XLM_PAGE_SHIFT;
        headers.octets[i] ^= 0x40;
        say_octets(puppet, &headers, sizeof(headers));
        if (i >= 18 && i < 24) {
            hang_up(puppet); /* reserved octets: it waits for more */
        }
        expect_never_ran(puppet);
    }
}

static void impossible_prepares(void **state)
{
    static const struct {
        uint32_t version;
        uint64_t pages, pfns;
    } bad[] = {
        {0, PAGES, PAGES},      {2, PAGES, PAGES},
        {1, PAGES, 0},          {1, PAGES, (1ULL << 32) + 1},
        {1, PAGES, UINT64_MAX}, {1, 200000, PAGES},
        {1, UINT64_MAX, PAGES},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct puppet *puppet = start_restore();

        start_live(puppet);
        say_platform(puppet);
        say_prepare(puppet, bad[i].version, bad[i].pages, bad[i].pfns);
        assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
        expect_never_ran(puppet);
    }
}

static void prepare_twice(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_prepared(puppet);
    say_prepare(puppet, 1, PAGES, PAGES);
    expect_never_ran(puppet);
}

static void prepare_without_platform(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_live(puppet);
    say_prepare(puppet, 1, PAGES, PAGES);
    expect_never_ran(puppet);
}

static void records_too_early(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_BEGIN, XLM_REC_POSTCOPY_TRANSITION,
        XLM_REC_POSTCOPY_GO, XLM_REC_POSTCOPY_PFNS_BEGIN, XLM_REC_END};
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        puppet = start_restore();
        start_live(puppet);
        say(puppet, types[i], NULL, 0);
        hang_up(puppet); /* it reads on, to answer a PREPARE */
        expect_never_ran(puppet);
    }
    puppet = start_restore();
    start_prepared(puppet);
    say(puppet, XLM_REC_END, NULL, 0);
    expect_never_ran(puppet);
}

static void lists_out_of_order(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_evicting(puppet);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    expect_never_ran(puppet);

    puppet = start_restore();
    start_evicted(puppet);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    expect_never_ran(puppet);

    puppet = start_restore();
    start_evicted(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 1, (uint64_t[]){8});
    expect_never_ran(puppet);

    puppet = start_restore();
    start_evicting(puppet);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    expect_never_ran(puppet);
}

static void pfns_out_of_range(void **state)
{
    static const uint64_t pfn = PAGES;
    struct puppet *puppet = start_restore();

    (void)state;
    start_evicting(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 1, &pfn);
    expect_never_ran(puppet);

    puppet = start_restore();
    start_prepared(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, pfn, 1);
    expect_never_ran(puppet);

    puppet = start_restore();
    start_running(puppet);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, pfn, 1);
    expect_runs_on(puppet);
}

/* One page listed again and again is evicted once. */
static void repeated_pfns(void **state)
{
    static const uint64_t pfns[] = {4, 4, 4, 5, 4};
    struct puppet *puppet = start_restore();

    (void)state;
    start_evicting(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 5, pfns);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 5, pfns);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    assert_int_equal(fake_domain_paged(puppet->domain), 2);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_READY));
    hang_up(puppet);
    expect_never_ran(puppet);
}

static void go_before_ready(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_prepared(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 7, 1);
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    /* The page refuses, and its last contents never come. */
    fake_page_busy(puppet->domain, 7, true);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 1, (uint64_t[]){7});
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    expect_never_ran(puppet);
}

static void end_with_pages_outstanding(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_running(puppet);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 1);
    say(puppet, XLM_REC_END, NULL, 0);
    expect_runs_on(puppet);
}

static void source_dies(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_running(puppet);
    hang_up(puppet);
    expect_runs_on(puppet);

    puppet = start_restore();
    start_ready(puppet);
    hang_up(puppet);
    expect_never_ran(puppet);
}

static void wrong_records_after_the_go(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_GO, XLM_REC_POSTCOPY_TRANSITION,
        XLM_REC_POSTCOPY_PFNS_BEGIN, XLM_REC_POSTCOPY_COMPLETE, 0x7777};
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        puppet = start_restore();
        start_running(puppet);
        say(puppet, types[i], NULL, 0);
        expect_runs_on(puppet);
    }
    puppet = start_restore();
    start_running(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 1, 1);
    expect_runs_on(puppet);
}

static void scribble(void *page, uint64_t pfn, void *data)
{
    (void)pfn;
    memset(page, *(int *)data, XLM_PAGE_SIZE);
}

static void guest_writes(struct puppet *puppet, uint64_t pfn, int what)
{
    assert_int_equal(
        fake_vcpu_access(puppet->domain, 0, pfn, true, scribble, &what),
        FAKE_ACCESS_DONE);
}

static void expect_page(struct puppet *puppet, uint64_t pfn, int what)
{
    const uint8_t *page = fake_page_memory(puppet->domain, pfn);

    assert_int_equal(fake_page_get(puppet->domain, pfn), FAKE_RAM);
    assert_int_equal(page[0], what);
    assert_int_equal(page[XLM_PAGE_SIZE - 1], what);
}

/* What the guest has written since must not be overwritten: neither by a page
 * that comes twice, nor by one that was never outstanding. */
static void pages_that_are_not_awaited(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_running(puppet);
    guest_writes(puppet, 0, 0x33);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x44);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 1, 0x44);
    guest_writes(puppet, 1, 0x55);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x44);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 0, 0x44);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 30, 0x44);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x66);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 3, 0x77);
    say(puppet, XLM_REC_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_COMPLETE));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    expect_page(puppet, 0, 0x33);
    expect_page(puppet, 1, 0x55);
    expect_page(puppet, 2, 0x66);
    expect_page(puppet, 3, 0x77);
    assert_int_equal(fake_page_get(puppet->domain, 30), FAKE_HOLE);
    assert_false(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
}

/* Zeroes are contents like any other. */
static void pages_of_zeroes(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_ready(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 2, (uint64_t[]){9, 2});
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_RUNNING));
    expect_page(puppet, 9, 0);
    expect_page(puppet, 2, 0);
    guest_writes(puppet, 2, 0x55);
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 3, (uint64_t[]){0, 1, 2});
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 0, 0x11);
    expect_page(puppet, 1, 0);
    expect_page(puppet, 2, 0x55);
    hang_up(puppet);
    expect_runs_on(puppet);
}

static void zeroes_nobody_asked_for(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_live(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 1, (uint64_t[]){0});
    hang_up(puppet);
    expect_never_ran(puppet);

    puppet = start_restore();
    start_prepared(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 1, (uint64_t[]){PAGES});
    expect_never_ran(puppet);
}

static void *touch_page(void *data)
{
    struct puppet *puppet = data;

    fake_vcpu_access(puppet->domain, 0, 2, false, NULL, NULL);
    return NULL;
}

/* The guest touches a page that nobody sends: the source hears of it. */
static void request_reaches_the_source(void **state)
{
    struct puppet *puppet = start_restore();
    pthread_t vcpu;

    (void)state;
    start_running(puppet);
    assert_int_equal(pthread_create(&vcpu, NULL, touch_page, puppet), 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_FAULT));
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x12);
    pthread_join(vcpu, NULL);
    expect_page(puppet, 2, 0x12);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* One record brings the same page twice, with different contents. */
static void one_page_twice_in_a_record(void **state)
{
    static uint8_t body[8 + 2 * 8 + 2 * XLM_PAGE_SIZE] = {2};
    static const uint64_t pfns[] = {1, 1};
    struct puppet *puppet = start_restore();

    (void)state;
    memcpy(body + 8, pfns, sizeof(pfns));
    memset(body + 24, 0x21, XLM_PAGE_SIZE);
    memset(body + 24 + XLM_PAGE_SIZE, 0x22, XLM_PAGE_SIZE);
    start_running(puppet);
    say(puppet, XLM_REC_POSTCOPY_PAGE_DATA, body, sizeof(body));
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 1, 0x21);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* ---- what a peer can make us keep ---- */

static void expect_refusal(struct puppet *puppet, const char *word)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_non_null(strstr(puppet->ctx.reason, word));
    assert_false(puppet->over);
    free_puppet(puppet);
}

/* The configuration says how large the guest is, and bounds what follows. */
static void larger_than_its_configuration(void **state)
{
    static const struct {
        uint64_t pages, pfns;
    } bad[] = {
        {PAGES, XLM_PFN_LIMIT},
        {PAGES, 2 * (PAGES + (1u << 20)) + 1},
        {PAGES + 4097, PAGES},
    };
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        puppet = start_restore_with(PAGES);
        start_live(puppet);
        say_platform(puppet);
        say_prepare(puppet, 1, bad[i].pages, bad[i].pfns);
        assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
        expect_refusal(puppet, "configuration");
    }
    puppet = start_restore_with(PAGES);
    start_live(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 2 * (PAGES + (1u << 20)), 1);
    hang_up(puppet);
    expect_refusal(puppet, "PAGE_DATA with entry");
}

/* Pages and pages, each at a pfn that is allowed. */
static void more_pages_than_its_configuration(void **state)
{
    static uint64_t body[1 + XLM_LIST_PFNS] = {XLM_LIST_PFNS};
    struct puppet *puppet = start_restore_with(PAGES);
    uint64_t pfn;

    (void)state;
    puppet->nr_pfns = XLM_LIST_PFNS;
    start_live(puppet);
    say_platform(puppet);
    say_prepare(puppet, 1, PAGES, XLM_LIST_PFNS);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
    for (pfn = 0; pfn < XLM_LIST_PFNS; pfn++) {
        body[1 + pfn] = pfn;
    }
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS, body, sizeof(body));
    expect_refusal(puppet, "more pages than the guest's configuration");
}

static void devices_of_no_length(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    start_live(puppet);
    say(puppet, XLM_REC_POSTCOPY_DEVICES, NULL, 0);
    hang_up(puppet);
    expect_refusal(puppet, "POSTCOPY_DEVICES of 0 octets");
}

/* What is announced and does not come takes no memory; nor do pfns that are
 * as far apart as they may be, or records that nobody knows. */
static void memory_is_bounded(void **state)
{
    static const uint32_t types[] = {XLM_REC_HVM_CONTEXT,
                                     XLM_REC_POSTCOPY_DEVICES,
                                     XLM_REC_PAGE_DATA, XLM_REC_OPTIONAL | 7};
    const uint64_t bitmaps = 7 * 2 * (PAGES + (1u << 20)) / 8;
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct xlm_wire_record_header header = {
            types[i], types[i] == XLM_REC_PAGE_DATA ? 4 << 20 : 64 << 20};

        puppet = start_restore_with(PAGES);
        start_live(puppet);
        say_platform(puppet);
        say_prepare(puppet, 1, PAGES, 2 * (PAGES + (1u << 20)));
        assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
        say_octets(puppet, &header, sizeof(header));
        say_octets(puppet, "a few octets", 12);
        shutdown(puppet->fd, SHUT_WR);
        pthread_join(puppet->thread, NULL);
        assert_int_equal(puppet->rc, -1);
        assert_true(puppet->memory.peak > bitmaps / 2);
        assert_true(puppet->memory.peak < bitmaps + (1u << 20));
        free_puppet(puppet);
    }
}

static void endless_optional_records(void **state)
{
    struct puppet *puppet = start_restore();
    int i;

    (void)state;
    start_live(puppet);
    for (i = 0; i < 65; i++) {
        say(puppet, XLM_REC_OPTIONAL | 1, "something", 9);
    }
    expect_refusal(puppet, "optional records in a row");
}

/* Answers to lists that were never sent, and longer ones than can be. */
static void evicted_again_and_again(void **state)
{
    static uint64_t body[1 + XLM_LIST_PFNS] = {XLM_LIST_PFNS};
    struct puppet *puppet = start_save(PAGES);

    (void)state;
    play_to_transition(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    expect_kept(puppet);

    /* One page over and over: each such record could be followed by more. */
    puppet = start_save(PAGES);
    play_to_list(puppet);
    say(puppet, XLM_REC_POSTCOPY_EVICTED, body, sizeof(body));
    pthread_join(puppet->thread, NULL);
    assert_non_null(strstr(puppet->ctx.reason, "more pages than the guest"));
    assert_int_equal(puppet->rc, -1);
    assert_false(puppet->over);
    free_puppet(puppet);
}

/* ---- unlucky and hostile ---- */

/* A link that carries one octet at a time is slow and no more. */
static void one_octet_at_a_time(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    puppet->in_octets = true;
    start_running(puppet);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x41);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x42);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 3, 0x43);
    say(puppet, XLM_REC_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_COMPLETE));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    expect_page(puppet, 2, 0x42);
    free_puppet(puppet);
}

/* The guest asks for page 2 and gets page 1: it waits on, and nothing is made
 * up. */
static void another_page_than_asked_for(void **state)
{
    struct puppet *puppet = start_restore();
    pthread_t vcpu;

    (void)state;
    start_running(puppet);
    assert_int_equal(pthread_create(&vcpu, NULL, touch_page, puppet), 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_FAULT));
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x12);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 1, 0x12);
    assert_int_not_equal(fake_page_get(puppet->domain, 2), FAKE_RAM);
    fake_await_waiting(puppet->domain, 1);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x13);
    pthread_join(vcpu, NULL);
    expect_page(puppet, 2, 0x13);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* The source dies at the first fault: the guest waits, and does not crash. */
static void dies_at_the_first_fault(void **state)
{
    struct puppet *puppet = start_restore();
    pthread_t vcpu;

    (void)state;
    start_running(puppet);
    assert_int_equal(pthread_create(&vcpu, NULL, touch_page, puppet), 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_FAULT));
    hang_up(puppet);
    pthread_join(puppet->thread, NULL);
    fake_await_waiting(puppet->domain, 1);
    assert_false(fake_domain_crashed(puppet->domain));
    assert_int_not_equal(fake_page_get(puppet->domain, 2), FAKE_RAM);
    fake_domain_stop(puppet->domain);
    pthread_join(vcpu, NULL);
    assert_true(puppet->over);
    assert_true(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
}

/* The destination says that it could not evict what it was sent already, and
 * asks for what it has: the source sends each page once all the same. */
static void lies_about_what_it_lacks(void **state)
{
    static const uint64_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct puppet *puppet = start_save(10);

    (void)state;
    play_to_list(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 10, all);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_TRANSITION));
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_GO));
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say_list(puppet, XLM_REC_POSTCOPY_FAULT, 10, all);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_int_equal(puppet->stats.stop_pages, 10);
    assert_int_equal(puppet->stats.requested_pages, 0);
    free_puppet(puppet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_instead_of_an_answer),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(refusals),
        cmocka_unit_test(evicted_what_is_not_there),
        cmocka_unit_test(lies_after_the_go),
        cmocka_unit_test(complete_without_running),
        cmocka_unit_test(complete_too_early),
        cmocka_unit_test(gone),
        cmocka_unit_test(lies_and_does_not_read),
        cmocka_unit_test(statistics_that_do_not_add_up),
        cmocka_unit_test(odd_requests),
        cmocka_unit_test(requests_without_credit),
        cmocka_unit_test(bad_image_headers),
        cmocka_unit_test(impossible_prepares),
        cmocka_unit_test(prepare_twice),
        cmocka_unit_test(prepare_without_platform),
        cmocka_unit_test(records_too_early),
        cmocka_unit_test(lists_out_of_order),
        cmocka_unit_test(pfns_out_of_range),
        cmocka_unit_test(repeated_pfns),
        cmocka_unit_test(go_before_ready),
        cmocka_unit_test(end_with_pages_outstanding),
        cmocka_unit_test(source_dies),
        cmocka_unit_test(wrong_records_after_the_go),
        cmocka_unit_test(pages_that_are_not_awaited),
        cmocka_unit_test(pages_of_zeroes),
        cmocka_unit_test(zeroes_nobody_asked_for),
        cmocka_unit_test(request_reaches_the_source),
        cmocka_unit_test(one_page_twice_in_a_record),
        cmocka_unit_test(larger_than_its_configuration),
        cmocka_unit_test(more_pages_than_its_configuration),
        cmocka_unit_test(devices_of_no_length),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(endless_optional_records),
        cmocka_unit_test(evicted_again_and_again),
        cmocka_unit_test(one_octet_at_a_time),
        cmocka_unit_test(another_page_than_asked_for),
        cmocka_unit_test(dies_at_the_first_fault),
        cmocka_unit_test(lies_about_what_it_lacks),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
