/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A client of a store like Redis that never pauses, and checks each answer.
 *
 *     kvload ADDRESS PORT LOG [NAME=NUMBER ...]
 *
 *     keys=1000     number of keys
 *     size=1024     octets of a value
 *     writes=50     of a hundred requests; the rest are reads
 *     hot=0         use only this many keys, the first ones; 0: all of them
 *     pause=0       microseconds between an answer and the next request
 *     seed=1
 *
 * The client first fills the store.  Then it sends one request after the other
 * on one connection, and compares each answer with the model (kv_model.h).
 * Lines on stdin are orders: "check" compares all keys; "end", or the end of
 * stdin, ends the client.  LOG has a line for each request but those of
 * "check": when its answer came (microseconds since 1970), how long it took
 * (microseconds), and r or w.
 *
 * When the connection is lost, the client connects again; the store may have
 * the write that got no answer, or not.  Exit status 1: an answer was wrong,
 * for which there is a line WRONG on stdout.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "die.h"
#include "kv_link.h"
#include "kv_model.h"

#define FILL_AT_ONCE 200
#define CHECK_AT_ONCE 200
#define SCRIPT_WORDS 6
#define KEY_NAME_MAX 32
#define TRY_AGAIN_US 50000
#define US_PER_SECOND 1000000
#define SHOWN_MAX 50

static const char fill_script[] =
    "for key = ARGV[1], ARGV[2] do redis.call('SET', "
    "string.format('key:%08d', key), string.rep(string.format("
    "'key %08d version %010d ', key, 0), tonumber(ARGV[3]))) end "
    "return redis.status_reply('OK')";

/* Returns the first key whose value is not that of the version given for it,
 * or -1 if all are right.  The store compares, because the values would take
 * minutes to get here. */
static const char check_script[] =
    "local key = tonumber(ARGV[1]) "
    "for version in string.gmatch(ARGV[3], '%d+') do "
    "if redis.call('GET', string.format('key:%08d', key)) ~= "
    "string.rep(string.format('key %08d version %010d ', key, version), "
    "tonumber(ARGV[2])) then return key end "
    "key = key + 1 end return -1";

struct options {
    uint32_t keys, size, writes, hot, pause, seed;
};

struct request {
    uint64_t ended_us;
    uint32_t took_us;
    char kind;
};

struct load {
    const char *address, *port;
    struct options options;
    struct kv_model model;
    struct kv_link link;
    uint64_t random;
    struct request *requests;
    size_t count, room;
    unsigned long wrong, connections;
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static uint64_t now_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

/* xorshift64: the same keys in each run with the same seed. */
static uint32_t any(struct load *load, uint32_t below)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return (load->random >> 32) % below;
}

/* ---- one command and its answer ---- */

/* Connect again.  Returns -1, for a caller that got no answer. */
static int reconnect(struct load *load)
{
    kv_link_close(&load->link);
    while (kv_link_connect(&load->link, load->address, load->port)) {
        usleep(TRY_AGAIN_US);
    }
    load->connections++;
    return -1;
}

/* 0, or -1 when the connection is lost. */
static int receive(struct load *load, struct kv_answer *answer)
{
    int rc = kv_link_receive(&load->link, answer);

    if (rc && errno == EPROTO) {
        die("kvload: the store's answer is not of its protocol");
    }
    return rc;
}

/* Is the store still reading its file, after a start?  Waits a while if so. */
static bool is_loading(const struct kv_answer *answer)
{
    static const char loading[] = "LOADING";

    if (answer->type != '-' || answer->length < strlen(loading) ||
        memcmp(answer->data, loading, strlen(loading))) {
        return false;
    }
    usleep(TRY_AGAIN_US);
    return true;
}

/* 0, or -1: the connection was lost before the answer, and was made again. */
static int ask(struct load *load, size_t count, const char *const words[],
               const size_t lengths[], struct kv_answer *answer)
{
    do {
        if (kv_link_send(&load->link, count, words, lengths) ||
            receive(load, answer)) {
            return reconnect(load);
        }
    } while (is_loading(answer));
    return 0;
}

/* ---- filling ---- */

static void fill_some(struct load *load, uint32_t first, uint32_t last)
{
    char from[16], to[16], times[16];
    const char *const words[SCRIPT_WORDS] = {"EVAL", fill_script, "0",
                                             from,   to,          times};
    size_t lengths[SCRIPT_WORDS], word;
    struct kv_answer answer;

    snprintf(from, sizeof(from), "%u", first);
    snprintf(to, sizeof(to), "%u", last);
    snprintf(times, sizeof(times), "%u", load->options.size / KV_PIECE);
    for (word = 0; word < SCRIPT_WORDS; word++) {
        lengths[word] = strlen(words[word]);
    }
    while (ask(load, SCRIPT_WORDS, words, lengths, &answer)) {
    }
    if (answer.type != '+') {
        die("kvload: the store does not take its keys: %.*s",
            (int)answer.length, answer.data);
    }
}

static void fill(struct load *load)
{
    uint32_t key, last;

    for (key = 0; key < load->model.keys; key = last + 1) {
        last = key + FILL_AT_ONCE - 1;
        if (last >= load->model.keys) {
            last = load->model.keys - 1;
        }
        fill_some(load, key, last);
    }
    say("filled %u keys", load->model.keys);
}

/* ---- reading and writing ---- */

static void wrong(struct load *load, uint32_t key, const char *what,
                  const struct kv_answer *answer)
{
    int shown = answer->length < SHOWN_MAX ? (int)answer->length : SHOWN_MAX;

    load->wrong++;
    say("WRONG %s key=%u version=%u answer=%c%.*s", what, key,
        load->model.versions[key], answer->type, shown,
        answer->data ? answer->data : "");
}

static int send_get(struct load *load, uint32_t key)
{
    char name[KEY_NAME_MAX];
    const char *const words[] = {"GET", name};
    size_t lengths[] = {strlen(words[0]), 0};

    lengths[1] = snprintf(name, sizeof(name), KV_NAME_FORMAT, key);
    return kv_link_send(&load->link, 2, words, lengths);
}

/* Is the answer to the GET of this key what it must be? */
static void judge(struct load *load, uint32_t key,
                  const struct kv_answer *answer)
{
    enum kv_verdict verdict;

    if (answer->type != '$') {
        wrong(load, key, "refused", answer);
        return;
    }
    verdict = kv_model_check(&load->model, key, answer->data, answer->length);
    if (verdict != KV_RIGHT) {
        wrong(load, key, kv_verdict_name(verdict), answer);
    }
}

/* 0, or -1: the connection was lost before the answer, and was made again. */
static int read_key(struct load *load, uint32_t key)
{
    struct kv_answer answer;

    do {
        if (send_get(load, key) || receive(load, &answer)) {
            return reconnect(load);
        }
    } while (is_loading(&answer));
    judge(load, key, &answer);
    return 0;
}

static int write_key(struct load *load, uint32_t key)
{
    char name[KEY_NAME_MAX];
    uint32_t version = kv_model_next(&load->model, key);
    const char *const words[] = {"SET", name,
                                 kv_model_value(&load->model, key, version)};
    size_t lengths[] = {strlen(words[0]), 0, load->model.size};
    struct kv_answer answer;

    lengths[1] = snprintf(name, sizeof(name), KV_NAME_FORMAT, key);
    if (ask(load, 3, words, lengths, &answer)) {
        kv_model_doubt(&load->model, key);
        return -1;
    }
    if (answer.type == '+') {
        kv_model_wrote(&load->model, key);
    } else {
        wrong(load, key, "refused", &answer);
    }
    return 0;
}

static void note(struct load *load, uint64_t took_us, char kind)
{
    if (load->count == load->room) {
        load->room = load->room ? 2 * load->room : 4096;
        load->requests =
            realloc(load->requests, load->room * sizeof(*load->requests));
        if (!load->requests) {
            die("kvload: no memory for %zu requests", load->room);
        }
    }
    load->requests[load->count++] =
        (struct request){now_us(CLOCK_REALTIME),
                         took_us < UINT32_MAX ? took_us : UINT32_MAX, kind};
}

static void one_request(struct load *load)
{
    uint32_t among = load->options.hot ? load->options.hot : load->model.keys;
    uint32_t key = any(load, among);
    bool writes = any(load, 100) < load->options.writes;
    uint64_t started;

    /* A key in doubt is read before it is written again, so that at most one
     * version is in doubt. */
    writes = writes && !load->model.doubtful[key];
    started = now_us(CLOCK_MONOTONIC);
    if (!(writes ? write_key(load, key) : read_key(load, key))) {
        note(load, now_us(CLOCK_MONOTONIC) - started, writes ? 'w' : 'r');
    }
    if (load->options.pause) {
        usleep(load->options.pause);
    }
}

/* The versions of these keys, with a space behind each. */
static void list_versions(const struct load *load, uint32_t first,
                          uint32_t end, char *text)
{
    size_t length = 0;

    for (; first < end; first++) {
        length += sprintf(text + length, "%u ", load->model.versions[first]);
    }
}

/* The first of these keys that the store finds to be wrong, or `end`. */
static uint32_t first_wrong(struct load *load, uint32_t first, uint32_t end)
{
    char from[16], times[16], versions[CHECK_AT_ONCE * 12];
    const char *const words[] = {"EVAL", check_script, "0",
                                 from,   times,        versions};
    size_t lengths[SCRIPT_WORDS], word;
    struct kv_answer answer;
    long found;

    snprintf(from, sizeof(from), "%u", first);
    snprintf(times, sizeof(times), "%u", load->options.size / KV_PIECE);
    list_versions(load, first, end, versions);
    for (word = 0; word < SCRIPT_WORDS; word++) {
        lengths[word] = strlen(words[word]);
    }
    while (ask(load, SCRIPT_WORDS, words, lengths, &answer)) {
    }
    found = strtol(answer.data, NULL, 10);
    if (answer.type != ':' || found < -1 || found >= (long)end ||
        (found >= 0 && found < (long)first)) {
        die("kvload: the store does not compare: %.*s", (int)answer.length,
            answer.data);
    }
    return found < 0 ? end : (uint32_t)found;
}

/* A key that the store has found wrong counts as wrong, even if it reads right
 * now. */
static void report_wrong(struct load *load, uint32_t key)
{
    static const struct kv_answer compared = {.type = ':'};
    unsigned long before = load->wrong;

    while (read_key(load, key)) {
    }
    if (load->wrong == before) {
        wrong(load, key, "compared", &compared);
    }
}

/* A key whose version is in doubt is read first. */
static void check_all(struct load *load)
{
    unsigned long before = load->wrong;
    uint32_t key, end;

    for (key = 0; key < load->model.keys; key++) {
        while (load->model.doubtful[key] && read_key(load, key)) {
        }
    }
    for (key = 0; key < load->model.keys;) {
        end = load->model.keys - key < CHECK_AT_ONCE ? load->model.keys
                                                     : key + CHECK_AT_ONCE;
        key = first_wrong(load, key, end);
        if (key < end) {
            report_wrong(load, key++);
        }
    }
    say("checked %u keys, wrong %lu", load->model.keys, load->wrong - before);
}

/* ---- all of it ---- */

static bool has_order(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&input, 1, 0) > 0;
}

static void run(struct load *load)
{
    char line[64];

    say("running");
    for (;;) {
        if (!has_order()) {
            one_request(load);
        } else if (!fgets(line, sizeof(line), stdin) ||
                   !strcmp(line, "end\n")) {
            return;
        } else if (!strcmp(line, "check\n")) {
            check_all(load);
        } else {
            die("kvload: no such order: %s", line);
        }
    }
}

static void write_log(const struct load *load, const char *path)
{
    FILE *file = fopen(path, "w");
    size_t i;

    if (!file) {
        die("kvload: %s: %s", path, strerror(errno));
    }
    for (i = 0; i < load->count; i++) {
        fprintf(file, "%llu %u %c\n",
                (unsigned long long)load->requests[i].ended_us,
                load->requests[i].took_us, load->requests[i].kind);
    }
    if (fclose(file)) {
        die("kvload: %s: %s", path, strerror(errno));
    }
}

static void read_option(struct options *options, const char *text)
{
    const struct {
        const char *name;
        uint32_t *value;
    } known[] = {
        {"keys=", &options->keys},     {"size=", &options->size},
        {"writes=", &options->writes}, {"hot=", &options->hot},
        {"pause=", &options->pause},   {"seed=", &options->seed},
    };
    size_t i, length;
    char *end;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        length = strlen(known[i].name);
        if (!strncmp(text, known[i].name, length)) {
            *known[i].value = strtoul(text + length, &end, 10);
            if (end != text + length && !*end) {
                return;
            }
        }
    }
    die("kvload: option not understood: %s", text);
}

static void check_options(const struct options *options)
{
    if (!options->keys || options->hot > options->keys || !options->seed ||
        !options->size || options->size % KV_PIECE ||
        options->size > KV_ANSWER_MAX / 2) {
        die("kvload: keys, seed and size are at least 1, size is a multiple "
            "of "
            "%d up to %d, and hot is not more than keys",
            KV_PIECE, KV_ANSWER_MAX / 2);
    }
}

int main(int argc, char **argv)
{
    static struct load load = {
        .options = {.keys = 1000, .size = 1024, .writes = 50, .seed = 1},
        .link = {.fd = -1},
    };
    int i;

    if (argc < 4) {
        die("kvload: see the top of kvload.c");
    }
    for (i = 4; i < argc; i++) {
        read_option(&load.options, argv[i]);
    }
    check_options(&load.options);
    load.address = argv[1];
    load.port = argv[2];
    load.random = load.options.seed;
    setvbuf(stdin, NULL, _IONBF, 0);
    if (kv_model_init(&load.model, load.options.keys, load.options.size)) {
        die("kvload: no memory for %u keys", load.options.keys);
    }
    reconnect(&load);
    fill(&load);
    run(&load);
    kv_link_close(&load.link);
    write_log(&load, argv[3]);
    say("requests %zu, wrong %lu, connections %lu", load.count, load.wrong,
        load.connections);
    free(load.requests);
    kv_model_dispose(&load.model);
    return load.wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
