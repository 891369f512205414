/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Records of the libxc stream.
 */
#include "wire/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory for a body grows in steps of at least this many octets. */
#define BODY_STEP (256u << 10)

#define ENTRIES(count) \
    (sizeof(struct xlm_wire_pfn_list) + sizeof(uint64_t) * (count))
#define PAGE_OCTETS(pages) (ENTRIES(pages) + (size_t)XLM_PAGE_SIZE * (pages))

/* The layout of a body, and its length. */
#define EMPTY XLM_BODY_EMPTY, 0, 0, 0
#define LIST(least, most) XLM_BODY_LIST, ENTRIES(least), ENTRIES(most), most
#define PAGES(least, most) \
    XLM_BODY_PAGES, ENTRIES(least), PAGE_OCTETS(most), most
#define COMPRESSED(least, most) \
    XLM_BODY_COMPRESSED, ENTRIES(least) + 1, PAGE_OCTETS(most), most
#define REPEATED(least, most) \
    XLM_BODY_REPEATED, ENTRIES(least) + sizeof(uint64_t) * (least), \
        ENTRIES(most) + sizeof(uint64_t) * (most), most
#define ANSWER \
    XLM_BODY_ANSWER, sizeof(struct xlm_wire_answer), \
        sizeof(struct xlm_wire_answer) + XLM_ANSWER_TEXT_MAX, 0
#define FIXED(type) XLM_BODY_FIXED, sizeof(type), sizeof(type), 0
#define OCTETS(least, most) XLM_BODY_OCTETS, least, most, 0

#define IN(state) (1u << XLM_READ_##state)

static const struct record_rule {
    uint32_t type;
    const char *name;
    enum xlm_body_kind kind;
    size_t min;
    size_t max;
    size_t most_pfns;
    unsigned int states;
} rules[XLM_RECORD_ROWS] = {
#define ROW(constant, name, number, body, states, taken_by) \
    {number, name, body, states},
#define TO_DESTINATION ROW
#define TO_SOURCE ROW
#include "wire/records.def"
};

static const struct record_rule *rule_of(uint32_t type)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].type == type) {
            return &rules[i];
        }
    }
    return NULL;
}

size_t xlm_record_row(uint32_t type)
{
    const struct record_rule *rule = rule_of(type);

    return rule ? (size_t)(rule - rules) : XLM_RECORD_ROWS;
}

enum xlm_body_kind xlm_record_body(uint32_t type)
{
    const struct record_rule *rule = rule_of(type);

    return rule ? rule->kind : XLM_BODY_EMPTY;
}

const char *xlm_record_name(uint32_t type)
{
    const struct record_rule *rule = rule_of(type);

    return rule ? rule->name : "unknown record";
}

bool xlm_record_is_legal(uint32_t type, enum xlm_reader_state state)
{
    const struct record_rule *rule = rule_of(type);

    return rule && (rule->states & 1u << state);
}

void xlm_record_dispose(struct xlm_record *record)
{
    free(record->grown);
    *record = XLM_RECORD_EMPTY;
}

static size_t padded(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

int xlm_open_connection(struct xlm_context *ctx, struct xlm_channel *channel,
                        int in_fd, int out_fd)
{
    if (xlm_channel_open(channel, in_fd, out_fd, ctx->abort_fd)) {
        return xlm_fail(ctx, "cannot use the connection: %s", strerror(errno));
    }
    return 0;
}

int xlm_fail_on_channel(struct xlm_context *ctx, const char *doing)
{
    switch (errno) {
    case ECANCELED:
        return xlm_fail(ctx, "aborted on request");
    case EPIPE:
    case ECONNRESET:
        return xlm_fail(ctx,
                        "the other host closed the connection while %s: "
                        "see its messages",
                        doing);
    case ETIMEDOUT:
        return xlm_fail(ctx, "nothing was heard of the other host for too "
                             "long: is the link cut?");
    default:
        return xlm_fail(ctx,
                        "the connection failed while %s: %s; see the "
                        "messages of both hosts",
                        doing, strerror(errno));
    }
}

static void note_bad_record(struct xlm_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As xlm_fail(). */
#define bad_record(...) \
    (__extension__({ \
        note_bad_record(__VA_ARGS__); \
        -1; \
    }))

static void note_bad_record(struct xlm_context *ctx, const char *format, ...)
{
    char what[200];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    errno = EPROTO;
    xlm_note_failure(ctx,
                     "bad migration stream: %s; are both hosts on the "
                     "same version of this software?",
                     what);
}

static int check_header(struct xlm_context *ctx, enum xlm_reader_state state,
                        const struct xlm_wire_record_header *header)
{
    const struct record_rule *rule = rule_of(header->type);

    if (!rule) {
        return bad_record(ctx, "unknown record type %#" PRIx32, header->type);
    }
    if (!xlm_record_is_legal(header->type, state)) {
        return bad_record(ctx, "%s out of order (state %u)", rule->name,
                          (unsigned int)state);
    }
    if (header->length < rule->min || header->length > rule->max) {
        return bad_record(ctx, "%s of %" PRIu32 " octets", rule->name,
                          header->length);
    }
    return 0;
}

/* Keeps the first `kept` octets. */
static int make_room(struct xlm_context *ctx, struct xlm_record *record,
                     size_t kept, size_t length)
{
    void *grown;

    if (length <= record->room) {
        return 0;
    }
    grown = malloc(length);
    if (!grown) {
        return xlm_fail(ctx, "no memory for a record of %zu octets", length);
    }
    if (kept) {
        memcpy(grown, record->grown, kept);
    }
    free(record->grown);
    record->grown = grown;
    record->room = length;
    return 0;
}

/* Allocate no more than twice what has come, whatever length the peer
 * announces; memory from the record before is used at once. */
static int read_and_grow(struct xlm_context *ctx, struct xlm_channel *channel,
                         struct xlm_record *record, size_t length)
{
    size_t got = 0;

    while (got < length) {
        size_t now = got > BODY_STEP ? got : BODY_STEP;

        if (record->room > got && now < record->room - got) {
            now = record->room - got;
        }
        if (now > length - got) {
            now = length - got;
        }
        if (make_room(ctx, record, got, got + now)) {
            return -1;
        }
        if (xlm_channel_read(channel, (char *)record->grown + got, now)) {
            return xlm_fail_on_channel(ctx, "sending");
        }
        got += now;
    }
    record->body = record->grown;
    return 0;
}

static int read_body(struct xlm_context *ctx, struct xlm_channel *channel,
                     struct xlm_record *record, size_t length)
{
    if (!record->lent || length > record->lent_octets) {
        return read_and_grow(ctx, channel, record, length);
    }
    record->body = (char *)record->lent + record->lent_octets - length;
    if (xlm_channel_read(channel, record->body, length)) {
        return xlm_fail_on_channel(ctx, "sending");
    }
    return 0;
}

/* Skip an optional record of unknown type; `skipped` is how many came in a
 * row. */
static int skip_body(struct xlm_context *ctx, struct xlm_channel *channel,
                     const struct xlm_wire_record_header *header,
                     unsigned int skipped)
{
    char scratch[4096];
    size_t length = padded(header->length);

    if (skipped > XLM_OPTIONAL_RECORDS) {
        return bad_record(ctx, "more than %u optional records in a row",
                          XLM_OPTIONAL_RECORDS);
    }
    if (header->length > XLM_OPTIONAL_OCTETS) {
        return bad_record(ctx,
                          "optional record %#" PRIx32 " of %" PRIu32 " octets",
                          header->type, header->length);
    }
    while (length) {
        size_t now = length < sizeof(scratch) ? length : sizeof(scratch);

        if (xlm_channel_read(channel, scratch, now)) {
            return xlm_fail_on_channel(ctx, "sending");
        }
        length -= now;
    }
    return 0;
}

int xlm_read_record(struct xlm_context *ctx, struct xlm_channel *channel,
                    enum xlm_reader_state state, struct xlm_record *record)
{
    struct xlm_wire_record_header header;
    unsigned int skipped = 0;

    for (;;) {
        if (xlm_channel_read(channel, &header, sizeof(header))) {
            return xlm_fail_on_channel(ctx, "waiting for it");
        }
        if (rule_of(header.type) || !(header.type & XLM_REC_OPTIONAL)) {
            break;
        }
        if (skip_body(ctx, channel, &header, ++skipped)) {
            return -1;
        }
    }
    if (check_header(ctx, state, &header) ||
        read_body(ctx, channel, record, padded(header.length))) {
        return -1;
    }
    record->type = header.type;
    record->length = header.length;
    return 0;
}

static int write_locked(struct xlm_context *ctx, struct xlm_channel *channel,
                        uint32_t type, const struct iovec *parts, size_t count)
{
    static const char zeroes[8];
    struct iovec all[2 + XLM_BATCH_PAGES + 2];
    struct xlm_wire_record_header header = {.type = type};
    size_t length = 0;
    int rc;

    if (count > XLM_BATCH_PAGES + 2) {
        errno = EINVAL;
        return xlm_fail(ctx, "record of %zu parts", count);
    }
    for (size_t i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        length += parts[i].iov_len;
    }
    header.length = length;
    all[0] = (struct iovec){&header, sizeof(header)};
    all[count + 1] = (struct iovec){(void *)zeroes, padded(length) - length};

    rc = xlm_channel_write_parts(channel, all, count + 2);
    return rc ? xlm_fail_on_channel(ctx, "being sent to") : 0;
}

int xlm_write_record(struct xlm_context *ctx, struct xlm_channel *channel,
                     uint32_t type, const struct iovec *parts, size_t count)
{
    int rc;

    pthread_mutex_lock(&channel->write_lock);
    rc = write_locked(ctx, channel, type, parts, count);
    pthread_mutex_unlock(&channel->write_lock);
    return rc;
}

int xlm_write_simple_record(struct xlm_context *ctx,
                            struct xlm_channel *channel, uint32_t type,
                            const void *body, size_t length)
{
    struct iovec part = {(void *)body, length};

    return xlm_write_record(ctx, channel, type, &part, 1);
}

int xlm_write_answer(struct xlm_context *ctx, struct xlm_channel *channel,
                     uint32_t type, uint32_t status, const char *text)
{
    size_t length = strnlen(text, XLM_ANSWER_TEXT_MAX);
    struct xlm_wire_answer answer = {.status = status, .length = length};
    struct iovec parts[] = {
        {&answer, sizeof(answer)},
        {(void *)text, length},
    };

    return xlm_write_record(ctx, channel, type, parts, 2);
}

int xlm_parse_answer(struct xlm_context *ctx, const struct xlm_record *record,
                     uint32_t *status, char text[XLM_ANSWER_TEXT_MAX + 1])
{
    const struct xlm_wire_answer *answer = record->body;
    size_t i;

    if (answer->length != record->length - sizeof(*answer)) {
        return bad_record(ctx, "%s with a text of %" PRIu32 " octets",
                          xlm_record_name(record->type), answer->length);
    }
    /* The words are the peer's, and will appear on a terminal. */
    memcpy(text, answer + 1, answer->length);
    for (i = 0; i < answer->length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            text[i] = '?';
        }
    }
    text[i] = '\0';
    *status = answer->status;
    return 0;
}

int xlm_check_answer(struct xlm_context *ctx, const struct xlm_record *record)
{
    char text[XLM_ANSWER_TEXT_MAX + 1];
    uint32_t status;

    if (xlm_parse_answer(ctx, record, &status, text)) {
        return -1;
    }
    if (!status) {
        return 0;
    }
    errno = ECONNREFUSED;
    return xlm_fail(ctx, "the destination refuses: %s", text);
}

/* A list that answers ends with a record that is not full. */
static bool may_be_empty(uint32_t type)
{
    const struct record_rule *rule = rule_of(type);

    return rule && rule->kind == XLM_BODY_LIST && rule->min == ENTRIES(0);
}

int xlm_write_pfn_record(struct xlm_context *ctx, struct xlm_channel *channel,
                         uint32_t type, const uint64_t *entries, size_t count)
{
    struct xlm_wire_pfn_list head = {.count = count};
    struct iovec parts[] = {
        {&head, sizeof(head)},
        {(void *)entries, count * sizeof(*entries)},
    };

    return xlm_write_record(ctx, channel, type, parts, 2);
}

int xlm_write_short_list(struct xlm_context *ctx, struct xlm_channel *channel,
                         uint32_t type, const uint64_t *entries, size_t count)
{
    struct xlm_wire_pfn_list head = {.count = count};
    struct iovec parts[] = {
        {&head, sizeof(head)},
        {(void *)entries, count * sizeof(*entries)},
    };
    int rc = write_locked(ctx, channel, type, parts, 2);

    pthread_mutex_unlock(&channel->write_lock);
    return rc;
}

int xlm_write_pfns(struct xlm_context *ctx, struct xlm_channel *channel,
                   uint32_t type, const uint64_t *entries, size_t count)
{
    const bool answer = may_be_empty(type);
    size_t done = 0;
    size_t now;

    if (!count && !answer) {
        return 0;
    }
    do {
        now = count - done < XLM_LIST_PFNS ? count - done : XLM_LIST_PFNS;
        if (xlm_write_pfn_record(ctx, channel, type, entries + done, now)) {
            return -1;
        }
        done += now;
    } while (done < count || (answer && now == XLM_LIST_PFNS));
    return 0;
}

static bool carries_contents(uint32_t type)
{
    enum xlm_body_kind kind = xlm_record_body(type);

    return kind == XLM_BODY_PAGES || kind == XLM_BODY_COMPRESSED;
}

/* May this number of octets follow the entries, of which `pages` have
 * contents? */
static bool rest_is_good(uint32_t type, size_t count, size_t pages,
                         size_t octets)
{
    switch (xlm_record_body(type)) {
    case XLM_BODY_PAGES:
        return octets == pages * XLM_PAGE_SIZE;
    case XLM_BODY_COMPRESSED: /* else no end would gain anything */
        return octets && octets < pages * XLM_PAGE_SIZE;
    case XLM_BODY_REPEATED:
        return octets == count * sizeof(uint64_t);
    default:
        return !octets;
    }
}

/* Where no contents can come, there is no type to say why not. */
static bool type_is_good(const struct xlm_record *record, uint32_t type)
{
    return type == XLM_TYPE_NOTAB ||
           (carries_contents(record->type) && !xlm_type_has_contents(type));
}

/* How many pages of contents the entries call for, after checking each. */
static int count_contents(struct xlm_context *ctx,
                          const struct xlm_record *record,
                          const uint64_t *entries, size_t count,
                          uint64_t pfn_limit, size_t *pages)
{
    size_t with_contents = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t pfn = xlm_entry_pfn(entries[i]);
        uint32_t type = xlm_entry_type(entries[i]);

        if (entries[i] != xlm_entry(pfn, type) || pfn >= pfn_limit ||
            !type_is_good(record, type)) {
            return bad_record(ctx, "%s with entry %#" PRIx64,
                              xlm_record_name(record->type), entries[i]);
        }
        with_contents += xlm_type_has_contents(type);
    }
    *pages = with_contents;
    return 0;
}

int xlm_parse_pfn_list(struct xlm_context *ctx,
                       const struct xlm_record *record, uint64_t pfn_limit,
                       struct xlm_pfn_list *list)
{
    const struct xlm_wire_pfn_list *head = record->body;
    const uint64_t *entries = (const uint64_t *)(head + 1);
    const struct record_rule *rule = rule_of(record->type);
    size_t pages = 0;
    size_t rest;

    if (!rule || record->length < sizeof(*head) ||
        head->count > rule->most_pfns ||
        record->length < ENTRIES((size_t)head->count)) {
        return bad_record(ctx, "%s too short for its pages",
                          xlm_record_name(record->type));
    }
    if (count_contents(ctx, record, entries, head->count, pfn_limit, &pages)) {
        return -1;
    }
    rest = record->length - ENTRIES((size_t)head->count);
    if (!rest_is_good(record->type, head->count, pages, rest)) {
        return bad_record(
            ctx, "%s of %" PRIu32 " octets for %" PRIu32 " entries",
            xlm_record_name(record->type), record->length, head->count);
    }
    list->count = head->count;
    list->entries = entries;
    list->pages = pages;
    list->contents = list->instead = NULL;
    list->instead_octets = 0;
    if (rest && rule->kind == XLM_BODY_PAGES) {
        list->contents = (const uint8_t *)(entries + head->count);
    } else if (rest) {
        list->instead = (const uint8_t *)(entries + head->count);
        list->instead_octets = rest;
    }
    return 0;
}

/* ---- POSTCOPY_STATS ---- */

_Static_assert(XLM_WIRE_WAIT_BUCKETS == XLM_WAIT_BUCKETS, "wire");
_Static_assert(XLM_WIRE_WAIT_VCPUS == XLM_WAIT_VCPUS, "wire");

void xlm_take_stats(struct xlm_stats *stats, const struct xlm_wire_stats *wire,
                    const uint64_t *blocked_us)
{
    stats->faults = wire->faults;
    stats->fault_median_us = wire->fault_median_us;
    stats->fault_p99_us = wire->fault_p99_us;
    stats->fault_max_us = wire->fault_max_us;
    stats->dropped_pages = wire->pages_dropped;
    stats->outside = wire->outside;
    stats->blocked_us = wire->blocked_us;
    stats->duplicate_pages = wire->duplicates;
    stats->unseen_writes = wire->unseen;
    stats->behind_median = wire->behind_median;
    stats->behind_most = wire->behind_most;
    memcpy(stats->waits.histogram, wire->histogram, sizeof(wire->histogram));
    stats->waits.nr_vcpus = wire->nr_vcpus;
    memcpy(stats->waits.blocked_us, blocked_us,
           wire->nr_vcpus * sizeof(*blocked_us));
}

int xlm_check_stats(struct xlm_context *ctx, const struct xlm_record *record)
{
    const struct xlm_wire_stats *wire = record->body;
    size_t times = record->length - sizeof(*wire);

    if (wire->nr_vcpus > XLM_WIRE_WAIT_VCPUS ||
        times != wire->nr_vcpus * sizeof(uint64_t)) {
        return bad_record(
            ctx, "POSTCOPY_STATS of %" PRIu32 " octets for %" PRIu32 " vCPUs",
            record->length, wire->nr_vcpus);
    }
    return 0;
}
