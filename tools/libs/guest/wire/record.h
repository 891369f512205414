/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Records of the libxc stream: one writer and one reader, for both directions.
 */
#ifndef XLM_RECORD_H
#define XLM_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "context.h"
#include "stats.h"
#include "wire/channel.h"
#include "wire/wire.h"

/*
 * Which record a reader may get next.  A record that is not legal in the
 * reader's state ends the migration.
 */
enum xlm_reader_state {
    /* The destination, reading what the source sends. */
    XLM_READ_STATIC,   /* before STATIC_DATA_END */
    XLM_READ_LIVE,     /* the guest runs, or the image is ordinary */
    XLM_READ_EVICTION, /* from POSTCOPY_BEGIN to POSTCOPY_TRANSITION */
    XLM_READ_LAST,     /* from POSTCOPY_TRANSITION to POSTCOPY_GO */
    XLM_READ_POSTCOPY, /* from POSTCOPY_GO to END */
    XLM_READ_RECOVER,  /* on another connection, for its first record */
    XLM_READ_CHANNEL,  /* on any further connection, from POSTCOPY_GO on */
    /* The source, reading what the destination answers. */
    XLM_READ_PREPARED, /* POSTCOPY_PREPARE was sent */
    XLM_READ_EVICTED,  /* POSTCOPY_PFNS_END was sent */
    XLM_READ_READY,    /* POSTCOPY_TRANSITION was sent */
    XLM_READ_REQUESTS, /* POSTCOPY_GO was sent */
    XLM_READ_STATE,    /* POSTCOPY_RECOVER was sent */
    XLM_READ_LACKING,  /* the guest runs: until its last POSTCOPY_LACKING */
    XLM_READ_JOINED,   /* POSTCOPY_CHANNEL or POSTCOPY_STREAM was sent */
    XLM_READ_SERVE,    /* on the fault channel, from POSTCOPY_GO on */
    XLM_READ_CREDIT,   /* on a further stream, from POSTCOPY_STREAM_USE on */
};

/*
 * A record that was read.  Dispose of it once; it may be read into any number
 * of times, which reuses its buffer.
 *
 * A caller may lend memory, in whole pages, which stays the caller's.  Bodies
 * that fit go there, each so that it ends with the last page: contents, which
 * are whole pages at the end of a body, are then page-aligned.
 */
struct xlm_record {
    uint32_t type;
    uint32_t length;
    void *body; /* points into one of the next two */
    void *grown;
    size_t room;
    void *lent; /* NULL: none */
    size_t lent_octets;
};

#define XLM_RECORD_EMPTY ((struct xlm_record){.body = NULL})

void xlm_record_dispose(struct xlm_record *record);

/* Use descriptors, as xlm_channel_open() does, and give up when the context's
 * abort_fd is readable. */
int xlm_open_connection(struct xlm_context *ctx, struct xlm_channel *channel,
                        int in_fd, int out_fd);

/* Make the context's reason from errno when the connection has failed: it says
 * which side broke.  `doing` is the other host's role. */
int xlm_fail_on_channel(struct xlm_context *ctx, const char *doing);

/* The layout of a record's body: see wire/records.def. */
enum xlm_body_kind {
    XLM_BODY_EMPTY,
    XLM_BODY_LIST,
    XLM_BODY_PAGES,
    XLM_BODY_COMPRESSED,
    XLM_BODY_REPEATED,
    XLM_BODY_ANSWER,
    XLM_BODY_FIXED,
    XLM_BODY_OCTETS,
};

/* The rows of that list, in its order. */
enum xlm_record_row {
#define TO_DESTINATION(constant, ...) XLM_ROW_##constant,
#define TO_SOURCE TO_DESTINATION
#include "wire/records.def"
    XLM_RECORD_ROWS,
};

/* The row of a record type; XLM_RECORD_ROWS: there is none. */
size_t xlm_record_row(uint32_t type);
enum xlm_body_kind xlm_record_body(uint32_t type);

/* The name of a record type, for messages. */
const char *xlm_record_name(uint32_t type);

/* May a record of this type come in this state? */
bool xlm_record_is_legal(uint32_t type, enum xlm_reader_state state);

/*
 * Read the next record, checked against the table of record types and the
 * state.  Optional records of unknown types are skipped.  On failure the
 * reason is in the context: EPROTO if the peer sent what it must not.
 */
int xlm_read_record(struct xlm_context *ctx, struct xlm_channel *channel,
                    enum xlm_reader_state state, struct xlm_record *record);

/* Write a record with these parts, padded, at once.  Thread-safe. */
int xlm_write_record(struct xlm_context *ctx, struct xlm_channel *channel,
                     uint32_t type, const struct iovec *parts, size_t count);
int xlm_write_simple_record(struct xlm_context *ctx,
                            struct xlm_channel *channel, uint32_t type,
                            const void *body, size_t length);

/* Write an ANSWER with status 0, or with an enum xlm_refusal and its reason; a
 * POSTCOPY_STATE with an enum xlm_guest_state. */
int xlm_write_answer(struct xlm_context *ctx, struct xlm_channel *channel,
                     uint32_t type, uint32_t status, const char *text);
/* Check such a record: 0 when the status is 0, else -1 with the peer's words,
 * made printable, as the reason. */
int xlm_check_answer(struct xlm_context *ctx, const struct xlm_record *record);
/* The status of such a record, and the peer's words, made printable. */
int xlm_parse_answer(struct xlm_context *ctx, const struct xlm_record *record,
                     uint32_t *status, char text[XLM_ANSWER_TEXT_MAX + 1]);

/* Write one record of this type, a LIST, with at most XLM_LIST_PFNS pfns. */
int xlm_write_pfn_record(struct xlm_context *ctx, struct xlm_channel *channel,
                         uint32_t type, const uint64_t *entries, size_t count);

/* The same after xlm_channel_try_lock(), which this ends: of at most
 * XLM_SHORT_LIST pfns, and without waiting. */
#define XLM_SHORT_LIST 64
int xlm_write_short_list(struct xlm_context *ctx, struct xlm_channel *channel,
                         uint32_t type, const uint64_t *entries, size_t count);

/*
 * Write pfns in as many records of this type, a LIST, as they need.  An empty
 * list of a type that cannot be empty writes none.  A type that can be empty
 * is an answer, and ends with a record that is not full.
 */
int xlm_write_pfns(struct xlm_context *ctx, struct xlm_channel *channel,
                   uint32_t type, const uint64_t *entries, size_t count);

/* A record that lists pfns, checked. */
struct xlm_pfn_list {
    size_t count;
    const uint64_t *entries; /* see xlm_entry_pfn(), xlm_entry_type() */
    const uint8_t *contents; /* pages back to back; NULL: none */
    size_t pages;            /* how many of the entries have contents */
    /* What stands for the contents in a COMPRESSED or REPEATED: see
     * wire/expand.h. */
    const uint8_t *instead;
    size_t instead_octets;
};

/*
 * Check a list in this order: size, count, every pfn and type, total; but not
 * what stands for contents.
 * *list points into the record.
 */
int xlm_parse_pfn_list(struct xlm_context *ctx,
                       const struct xlm_record *record, uint64_t pfn_limit,
                       struct xlm_pfn_list *list);

/* EPROTO: a POSTCOPY_STATS with more or fewer vCPU times than it says. */
int xlm_check_stats(struct xlm_context *ctx, const struct xlm_record *record);
/* Copy the shown values from a body; blocked_us has wire->nr_vcpus times. */
void xlm_take_stats(struct xlm_stats *stats, const struct xlm_wire_stats *wire,
                    const uint64_t *blocked_us);

#endif
