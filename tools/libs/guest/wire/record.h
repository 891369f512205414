/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Records of the libxc stream: one writer and one reader, for both ways.
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
 * What a reader may get next.  A record that is not legal in the reader's
 * state ends the migration.
 */
enum xlm_reader_state {
    /* The destination, reading what the source sends. */
    XLM_READ_STATIC,   /* before STATIC_DATA_END */
    XLM_READ_LIVE,     /* the guest runs, or the image is ordinary */
    XLM_READ_EVICTION, /* from POSTCOPY_BEGIN to POSTCOPY_TRANSITION */
    XLM_READ_LAST,     /* from POSTCOPY_TRANSITION to POSTCOPY_GO */
    XLM_READ_POSTCOPY, /* from POSTCOPY_GO to END */
    XLM_READ_RECOVER,  /* on another connection, before anything else */
    XLM_READ_CHANNEL,  /* on the fault channel, from POSTCOPY_GO */
    /* The source, reading what the destination answers. */
    XLM_READ_PREPARED, /* POSTCOPY_PREPARE was sent */
    XLM_READ_EVICTED,  /* POSTCOPY_PFNS_END was sent */
    XLM_READ_READY,    /* POSTCOPY_TRANSITION was sent */
    XLM_READ_REQUESTS, /* POSTCOPY_GO was sent */
    XLM_READ_STATE,    /* POSTCOPY_RECOVER was sent */
    XLM_READ_LACKING,  /* the guest runs: until its last POSTCOPY_LACKING */
    XLM_READ_JOINED,   /* POSTCOPY_CHANNEL was sent */
    XLM_READ_SERVE,    /* on the fault channel, from POSTCOPY_GO */
};

/*
 * A record as it was read.  Dispose of it once; one may be read into again
 * and again, which reuses its buffer.
 *
 * With memory of the caller's (whole pages; it stays the caller's), bodies
 * that fit go there, and so that each ends with the last page: contents, which
 * are whole pages at the end of a body, begin where a page does.
 */
struct xlm_record {
    uint32_t type;
    uint32_t length;
    void *body; /* in one of these two */
    void *grown;
    size_t room;
    void *lent; /* NULL: none */
    size_t lent_octets;
};

#define XLM_RECORD_EMPTY ((struct xlm_record){.body = NULL})

void xlm_record_dispose(struct xlm_record *record);

/* Take descriptors into use, as xlm_channel_open() does, to be given up when
 * the context says so. */
int xlm_open_connection(struct xlm_context *ctx, struct xlm_channel *channel,
                        int in_fd, int out_fd);

/* The connection failed, errno says how: the reason, in words that say which
 * side of it broke.  `doing`: what the other host was to us. */
int xlm_fail_on_channel(struct xlm_context *ctx, const char *doing);

/* What the body of a record is: see wire/records.def. */
enum xlm_body_kind {
    XLM_BODY_EMPTY,
    XLM_BODY_LIST,
    XLM_BODY_PAGES,
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
 * state; optional records that are not known are skipped.  On failure the
 * reason is in the context: EPROTO for what a peer must not send.
 */
int xlm_read_record(struct xlm_context *ctx, struct xlm_channel *channel,
                    enum xlm_reader_state state, struct xlm_record *record);

/* Write a record of these parts, padded, in one go.  Thread-safe. */
int xlm_write_record(struct xlm_context *ctx, struct xlm_channel *channel,
                     uint32_t type, const struct iovec *parts, size_t count);
int xlm_write_simple_record(struct xlm_context *ctx,
                            struct xlm_channel *channel, uint32_t type,
                            const void *body, size_t length);

/* Write an ANSWER: status 0, or an enum xlm_refusal with its reason;
 * POSTCOPY_STATE: an enum xlm_guest_state. */
int xlm_write_answer(struct xlm_context *ctx, struct xlm_channel *channel,
                     uint32_t type, uint32_t status, const char *text);
/* What such a record says: 0 when the status is 0, else -1 with the peer's
 * words, made printable, as the reason. */
int xlm_check_answer(struct xlm_context *ctx, const struct xlm_record *record);
/* The status of any such record, and the peer's words, made printable. */
int xlm_parse_answer(struct xlm_context *ctx, const struct xlm_record *record,
                     uint32_t *status, char text[XLM_ANSWER_TEXT_MAX + 1]);

/* Write one record of this type, a LIST, with these pfns: at most
 * XLM_LIST_PFNS. */
int xlm_write_pfn_record(struct xlm_context *ctx, struct xlm_channel *channel,
                         uint32_t type, const uint64_t *entries, size_t count);

/*
 * Write pfns in as many records of this type, a LIST, as they need; none for
 * an empty list.  One that can be empty is an answer, and ends with a record
 * that is not full.
 */
int xlm_write_pfns(struct xlm_context *ctx, struct xlm_channel *channel,
                   uint32_t type, const uint64_t *entries, size_t count);

/* The checked view of a record that lists pfns. */
struct xlm_pfn_list {
    size_t count;
    const uint64_t *entries; /* see xlm_entry_pfn(), xlm_entry_type() */
    const uint8_t *contents; /* pages back to back; NULL: none */
};

/*
 * Check a LIST or PAGES in this order: size, count, every pfn and type, total.
 * The view points into the record.
 */
int xlm_parse_pfn_list(struct xlm_context *ctx,
                       const struct xlm_record *record, uint64_t pfn_limit,
                       struct xlm_pfn_list *list);

/* EPROTO: a POSTCOPY_STATS with more or fewer times of vCPUs than it says. */
int xlm_check_stats(struct xlm_context *ctx, const struct xlm_record *record);
/* Take over what is shown of its body: wire->nr_vcpus times are in blocked_us.
 */
void xlm_take_stats(struct xlm_stats *stats, const struct xlm_wire_stats *wire,
                    const uint64_t *blocked_us);

#endif
