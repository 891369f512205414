/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The Linux guest's work: file trees with recorded checksums.
 *
 *   treecheck make TREE MIB     a tree of about MIB MiB
 *   treecheck place TREE        where in the guest's memory its files are
 *   treecheck check TREE PAUSE-MS
 *                               on the CPU of that number (modulo CPUs), for
 *                               ever: verify each file, rewrite every fourth
 *   treecheck beat MS TREES     a heartbeat line every MS milliseconds
 *   treecheck kernel            repeat the kernel's oopses and warnings
 *   treecheck events COUNT      hold COUNT event channels
 *   treecheck direct FILE MIB   write a buffer of that size to the file past
 *                               the page cache, for ever, and read it back
 *   treecheck clocks MS         sleep MS ms, for ever: no clock goes back,
 *                               no sleep ends early
 *   treecheck say TEXT          print a line
 *
 * Lines go to standard output and, where there is one, to the debug port that
 * Xen prints on its own console.  README.md has their formats.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/sys/evtchn.h>

#define STATE_PATTERN "/run/treecheck.%u"
#define LOCK_PATH "/run/treecheck.lock"
#define DEBUG_PORT 0xe9

#define FILE_WORDS 16384u /* 128 KiB */
#define FILE_SIZE (FILE_WORDS * sizeof(uint64_t))
#define FILES_PER_MIB (1048576u / FILE_SIZE)
#define MOST_FILES 8192u
#define MOST_TREES 64u
#define REWRITE_EVERY 4u

/* One per tree, in a file that all processes map. */
struct state {
    uint64_t passes;
    uint64_t files_checked;
    uint64_t errors;
    uint32_t files;
    struct {
        uint32_t generation;
        uint64_t checksum;
    } record[MOST_FILES];
};

static int lock_file = -1;
static int port_file = -1;

/* ---- output ---- */

/*
 * The port is written through the kernel: QEMU's emulation forgets the I/O
 * rights of processes when a nested guest is restored.
 */
static void open_output(void)
{
    lock_file = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    port_file = open("/dev/port", O_WRONLY | O_CLOEXEC);
}

/* The lock keeps the lines of processes on several CPUs whole. */
static void put_on_port(const char *text, size_t length)
{
    flock(lock_file, LOCK_EX);
    while (length > 0 && pwrite(port_file, text, 1, DEBUG_PORT) == 1) {
        text++;
        length--;
    }
    flock(lock_file, LOCK_UN);
}

static void say(bool everywhere, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(bool everywhere, const char *format, ...)
{
    char line[180];
    va_list args;
    size_t length;

    va_start(args, format);
    vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    length = strlen(line);
    line[length++] = '\n';
    if (everywhere && write(STDOUT_FILENO, line, length) < 0) {
        return;
    }
    if (port_file >= 0) {
        put_on_port(line, length);
    }
}

static int complain(const char *what)
{
    say(true, "BAD %s: %s", what, strerror(errno));
    return EXIT_FAILURE;
}

/* ---- files ---- */

static struct state *map_state(unsigned int tree)
{
    char path[64];
    struct state *state;
    int fd;

    snprintf(path, sizeof(path), STATE_PATTERN, tree);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(*state)) != 0) {
        return NULL;
    }
    state =
        mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return state == MAP_FAILED ? NULL : state;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void generate(uint64_t *words, unsigned int tree, unsigned int file,
                     uint32_t generation)
{
    uint64_t random =
        ((uint64_t)tree << 48 | (uint64_t)file << 32 | generation) +
        0x9e3779b97f4a7c15u;
    unsigned int i;

    for (i = 0; i < FILE_WORDS; i++) {
        words[i] = next_random(&random);
    }
}

static uint64_t checksum_of(const uint64_t *words)
{
    uint64_t sum = 0xcbf29ce484222325u;
    unsigned int i;

    for (i = 0; i < FILE_WORDS; i++) {
        sum = (sum ^ words[i]) * 0x100000001b3u;
        sum ^= sum >> 32;
    }
    return sum;
}

static void path_of(char *path, size_t size, unsigned int tree,
                    unsigned int file)
{
    snprintf(path, size, "/tree/%u/%u/%u", tree, file / 64, file);
}

/* On a disk, not only to and from the kernel's cache: what is read next is
 * read from there.  In tmpfs neither call does anything. */
static bool transfer(unsigned int tree, unsigned int file, uint64_t *words,
                     int flags)
{
    char path[64];
    bool forget;
    ssize_t done;
    int fd;

    path_of(path, sizeof(path), tree, file);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    done = flags == O_RDONLY ? read(fd, words, FILE_SIZE)
                             : write(fd, words, FILE_SIZE);
    forget = (flags == O_RDONLY || fsync(fd) == 0) &&
             posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
    close(fd);
    return forget && done == (ssize_t)FILE_SIZE;
}

static bool write_file(struct state *state, unsigned int tree,
                       unsigned int file, uint64_t *words)
{
    uint32_t generation = state->record[file].generation + 1;

    generate(words, tree, file, generation);
    if (!transfer(tree, file, words, O_WRONLY | O_CREAT | O_TRUNC)) {
        return false;
    }
    state->record[file].generation = generation;
    state->record[file].checksum = checksum_of(words);
    return true;
}

static int make_tree(unsigned int tree, unsigned int mib)
{
    static uint64_t words[FILE_WORDS];
    struct state *state = map_state(tree);
    unsigned int files = mib * FILES_PER_MIB;
    char path[64];
    unsigned int i;

    if (state == NULL) {
        return complain("state");
    }
    files = files > MOST_FILES ? MOST_FILES : files;
    snprintf(path, sizeof(path), "/tree/%u", tree);
    mkdir(path, 0700);
    for (i = 0; i < files; i++) {
        if (i % 64 == 0) {
            snprintf(path, sizeof(path), "/tree/%u/%u", tree, i / 64);
            mkdir(path, 0700);
        }
        if (!write_file(state, tree, i, words)) {
            return complain("making a file");
        }
    }
    state->files = files;
    return EXIT_SUCCESS;
}

/* ---- where it is ---- */

#define PAGE_OCTETS 4096u
#define FILE_PAGES (FILE_SIZE / PAGE_OCTETS)
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_PFN ((UINT64_C(1) << 55) - 1)

struct span {
    uint64_t first, last;
};

/* Widens the span by the frames of a file in tmpfs, as the kernel tells root
 * of a mapping of them (its pagemap documentation). */
static bool find_file(int pagemap, const char *path, struct span *span)
{
    uint64_t entries[FILE_PAGES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *place;
    bool found;
    size_t i;

    place = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (place == MAP_FAILED) {
        return false;
    }
    found = pread(pagemap, entries, sizeof(entries),
                  (uintptr_t)place / PAGE_OCTETS * sizeof(*entries)) ==
            (ssize_t)sizeof(entries);
    for (i = 0; found && i < FILE_PAGES; i++) {
        uint64_t pfn = entries[i] & PAGE_PFN;

        found = (entries[i] & PAGE_PRESENT) && pfn != 0;
        span->first = pfn < span->first ? pfn : span->first;
        span->last = pfn > span->last ? pfn : span->last;
    }
    munmap(place, FILE_SIZE);
    return found;
}

static int say_place(unsigned int tree)
{
    struct state *state = map_state(tree);
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    struct span span = {.first = UINT64_MAX};
    char path[64];
    unsigned int file;

    if (state == NULL || pagemap < 0) {
        return complain("place");
    }
    for (file = 0; file < state->files; file++) {
        path_of(path, sizeof(path), tree, file);
        if (!find_file(pagemap, path, &span)) {
            return complain("place of a file");
        }
    }
    say(true, "tree %u from %llx to %llx", tree,
        (unsigned long long)span.first, (unsigned long long)span.last);
    return EXIT_SUCCESS;
}

/* ---- checking ---- */

/* Print how a file differs from what it should be. */
static void report_file(struct state *state, unsigned int tree,
                        unsigned int file, const uint64_t *found)
{
    static uint64_t expected[FILE_WORDS];
    unsigned int differing = 0, first = 0;
    unsigned int i;

    generate(expected, tree, file, state->record[file].generation);
    for (i = 0; i < FILE_WORDS; i++) {
        if (expected[i] != found[i] && differing++ == 0) {
            first = i;
        }
    }
    say(true,
        "BAD file=%u/%u generation=%u offset=%u expected=%016llx "
        "found=%016llx differing=%u",
        tree, file, state->record[file].generation, first * 8,
        (unsigned long long)expected[first], (unsigned long long)found[first],
        differing);
}

static void check_file(struct state *state, unsigned int tree,
                       unsigned int file)
{
    static uint64_t words[FILE_WORDS];

    memset(words, 0, sizeof(words));
    state->files_checked++;
    if (!transfer(tree, file, words, O_RDONLY) ||
        checksum_of(words) != state->record[file].checksum) {
        state->errors++;
        report_file(state, tree, file, words);
    }
    if ((file + state->passes) % REWRITE_EVERY == 0 &&
        !write_file(state, tree, file, words)) {
        state->errors++;
        complain("rewriting a file");
    }
}

static void sleep_ms(unsigned int ms)
{
    struct timespec duration = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&duration, NULL);
}

static int check_tree(unsigned int tree, unsigned int pause_ms)
{
    struct state *state = map_state(tree);
    cpu_set_t cpus;
    unsigned int file;

    CPU_ZERO(&cpus);
    CPU_SET(tree % (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
    if (state == NULL || sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        return complain("start of a checker");
    }
    for (;;) {
        for (file = 0; file < state->files; file++) {
            check_file(state, tree, file);
            sleep_ms(pause_ms);
        }
        state->passes++;
        say(true, "tree %u pass %llu done, files %u, errors %llu", tree,
            (unsigned long long)state->passes, state->files,
            (unsigned long long)state->errors);
    }
}

/* ---- heartbeat and kernel log ---- */

static int beat(unsigned int interval_ms, unsigned int trees)
{
    const struct sched_param priority = {.sched_priority = 1};
    struct state *states[MOST_TREES];
    unsigned int beats = 0;
    unsigned int tree;

    trees = trees > MOST_TREES ? MOST_TREES : trees;
    for (tree = 0; tree < trees; tree++) {
        states[tree] = map_state(tree);
        if (states[tree] == NULL) {
            return complain("state");
        }
    }
    sched_setscheduler(0, SCHED_FIFO, &priority);
    for (;;) {
        uint64_t files = 0, errors = 0;

        for (tree = 0; tree < trees; tree++) {
            files += states[tree]->files_checked;
            errors += states[tree]->errors;
        }
        beats++;
        say(beats % 64 == 0, "lhb %u f=%llu c=%ld e=%llu", beats,
            (unsigned long long)files, sysconf(_SC_NPROCESSORS_ONLN),
            (unsigned long long)errors);
        sleep_ms(interval_ms);
    }
}

static bool is_cry(const char *record)
{
    static const char *const cries[] = {
        "BUG:",           "Oops",          "general protection",
        "segfault",       "Call Trace",    "soft lockup",
        "detected stall", "I/O error",     "Out of memory",
        "WARNING:",       "EXT4-fs error", "aborted journal",
        "vbd vbd-",       "vif vif-",
    };
    size_t i;

    for (i = 0; i < sizeof(cries) / sizeof(cries[0]); i++) {
        if (strstr(record, cries[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/*
 * Linux on Xen stops the timers of all CPUs a little before the CPUs, and
 * starts them a little later.  An idle CPU that stops its tick meanwhile
 * warns, the first time: the migration is not at fault.
 */
static bool is_wonder_at_timer(const char *record)
{
    return strstr(record, "clockevents_switch_state") != NULL;
}

/* A front end says that it was told to copy what it sends. */
static bool is_news(const char *record)
{
    return strstr(record, "bouncing transmitted data") != NULL;
}

static int watch_kernel(void)
{
    char record[8192];
    bool wondering = false;
    ssize_t length;
    int fd = open("/dev/kmsg", O_RDONLY);

    for (;;) {
        length = read(fd, record, sizeof(record) - 1);
        if (length < 0 && errno == EPIPE) {
            continue; /* overrun: the next read goes on behind it */
        }
        if (length <= 0) {
            return complain("kernel log");
        }
        record[length] = '\0';
        record[strcspn(record, "\n")] = '\0';
        if (is_wonder_at_timer(record)) {
            wondering = true;
        } else if (wondering && strstr(record, "Call Trace") != NULL) {
            wondering = false;
        } else if (is_news(record)) {
            say(true, "front end: bouncing");
        } else if (is_cry(record)) {
            char *text = strchr(record, ';');

            say(true, "BAD kernel: %s", text == NULL ? record : text + 1);
        }
    }
}

/* ---- clocks ---- */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void __attribute__((noreturn)) watch_clocks(unsigned int sleep_time_ms)
{
    static const struct {
        clockid_t clock;
        const char *name;
    } clocks[] = {
        {CLOCK_MONOTONIC, "monotonic"},
        {CLOCK_BOOTTIME, "boottime"},
        {CLOCK_MONOTONIC_RAW, "raw"},
        {CLOCK_MONOTONIC_COARSE, "coarse"},
    };
    const size_t count = sizeof(clocks) / sizeof(clocks[0]);
    uint64_t last[sizeof(clocks) / sizeof(clocks[0])] = {0};
    unsigned int looks = 0;
    uint64_t now, slept;
    size_t i;

    for (;;) {
        for (i = 0; i < count; i++) {
            now = read_clock(clocks[i].clock);
            if (now < last[i]) {
                say(true, "BAD clock %s went back %llu ns", clocks[i].name,
                    (unsigned long long)(last[i] - now));
            }
            last[i] = now;
        }
        slept = read_clock(CLOCK_MONOTONIC);
        sleep_ms(sleep_time_ms);
        slept = read_clock(CLOCK_MONOTONIC) - slept;
        if (slept < sleep_time_ms * UINT64_C(1000000)) {
            say(true, "BAD clock: a sleep of %u ms took %llu ns",
                sleep_time_ms, (unsigned long long)slept);
        }
        if (++looks % 64 == 0) {
            say(true, "clocks looked at %u times", looks);
        }
    }
}

/* ---- event channels ---- */

/* For ever: the channels are dead after a resume, and Linux stumbles when a
 * process closes such a channel. */
static int hold_events(unsigned int count)
{
    struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain = 0};
    int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
    int port = -1;

    if (fd < 0) {
        return complain("event channels");
    }
    while (count-- > 0) {
        port = ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
        if (port < 0) {
            return complain("event channel");
        }
    }
    say(true, "events up to %d", port);
    for (;;) {
        pause();
    }
}

/* ---- past the page cache ---- */

#define DIRECT_STEP (64u << 10)
#define DIRECT_ALIGN 4096u

/* A transfer of all of the buffer, whose pages only the back end looks at. */
static bool transfer_direct(int fd, char *buffer, size_t size, bool writes)
{
    size_t at;

    for (at = 0; at < size; at += DIRECT_STEP) {
        ssize_t done = writes ? pwrite(fd, buffer + at, DIRECT_STEP, at)
                              : pread(fd, buffer + at, DIRECT_STEP, at);

        if (done != DIRECT_STEP || (writes && fsync(fd) != 0)) {
            return false;
        }
    }
    return true;
}

/* What is written stays the same from pass to pass, and is not touched. */
static int write_directly(const char *path, unsigned int mib)
{
    size_t size = (size_t)mib << 20;
    char *written = aligned_alloc(DIRECT_ALIGN, size);
    char *found = aligned_alloc(DIRECT_ALIGN, size);
    int fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    uint64_t random = 1;
    unsigned int pass;
    size_t i;

    if (fd < 0 || written == NULL || found == NULL) {
        return complain("direct");
    }
    for (i = 0; i < size; i += sizeof(random)) {
        next_random(&random);
        memcpy(written + i, &random, sizeof(random));
    }
    for (pass = 1;; pass++) {
        memset(found, 0, size);
        say(false, "direct pass %u begins", pass);
        if (!transfer_direct(fd, written, size, true)) {
            return complain("direct write");
        }
        if (!transfer_direct(fd, found, size, false)) {
            return complain("direct read");
        }
        if (memcmp(written, found, size) != 0) {
            say(true, "BAD direct: what is read is not what was written");
        }
        say(false, "direct pass %u done", pass);
    }
}

static unsigned int number(const char *text)
{
    return (unsigned int)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    open_output();
    if (strcmp(what, "make") == 0 && argc == 4) {
        return make_tree(number(argv[2]), number(argv[3]));
    }
    if (strcmp(what, "place") == 0 && argc == 3) {
        return say_place(number(argv[2]));
    }
    if (strcmp(what, "check") == 0 && argc == 4) {
        return check_tree(number(argv[2]), number(argv[3]));
    }
    if (strcmp(what, "beat") == 0 && argc == 4) {
        return beat(number(argv[2]), number(argv[3]));
    }
    if (strcmp(what, "kernel") == 0) {
        return watch_kernel();
    }
    if (strcmp(what, "clocks") == 0 && argc == 3) {
        watch_clocks(number(argv[2]));
    }
    if (strcmp(what, "events") == 0 && argc == 3) {
        return hold_events(number(argv[2]));
    }
    if (strcmp(what, "direct") == 0 && argc == 4) {
        return write_directly(argv[2], number(argv[3]));
    }
    if (strcmp(what, "say") == 0 && argc == 3) {
        say(true, "%s", argv[2]);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "treecheck: see the top of treecheck.c\n");
    return EXIT_FAILURE;
}
