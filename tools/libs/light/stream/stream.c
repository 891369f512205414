/* SPDX-License-Identifier: LGPL-2.1-or-later
 * This project's side of the libxl migration stream, version 2.
 */
#include "stream/stream.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LM_STREAM_IDENT 0x4c6962786c466d74ULL /* "LibxlFmt" */
#define LM_STREAM_VERSION 2u
#define LM_OPTION_BIG_ENDIAN 1u

struct lm_wire_header {
    uint64_t ident; /* these three are big endian */
    uint32_t version;
    uint32_t options;
};

struct lm_wire_record {
    uint32_t type;
    uint32_t length;
};

struct lm_wire_prologue {
    struct lm_wire_header header;
    struct lm_wire_record libxc_context;
};

#define LM_EMULATOR_QEMU 2u
#define LM_EMULATOR_HEADER 8u
/* Far more than any device model saves. */
#define LM_RECORD_MAX (64u << 20)
#define LM_READ_STEP (256u << 10)

struct lm_wire_emulator_context {
    struct lm_wire_record record;
    uint32_t emulator;
    uint32_t index;
};

_Static_assert(sizeof(struct lm_wire_emulator_context) ==
                   sizeof(struct lm_wire_record) + LM_EMULATOR_HEADER,
               "wire");
_Static_assert(sizeof(struct lm_wire_header) == 16, "wire");
_Static_assert(sizeof(struct lm_wire_record) == 8, "wire");
_Static_assert(sizeof(struct lm_wire_prologue) == LM_PROLOGUE_SIZE, "wire");

static size_t padded(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

void lm_make_prologue(uint8_t prologue[LM_PROLOGUE_SIZE])
{
    const struct lm_wire_prologue wire = {
        .header.ident = htobe64(LM_STREAM_IDENT),
        .header.version = htobe32(LM_STREAM_VERSION),
        .libxc_context.type = htole32(LM_REC_LIBXC_CONTEXT),
    };

    memcpy(prologue, &wire, sizeof(wire));
}

int lm_write_prologue(struct xlm_context *xlm, int fd)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    uint8_t prologue[LM_PROLOGUE_SIZE];
    int ret = -1;

    lm_make_prologue(prologue);
    if (xlm_channel_open(&channel, -1, fd, xlm->abort_fd) ||
        xlm_channel_write(&channel, prologue, sizeof(prologue))) {
        xlm_fail(xlm, "cannot write to the destination: %s", strerror(errno));
        goto out;
    }
    ret = 0;

out:
    xlm_channel_close(&channel);
    return ret;
}

static int check_prologue(struct xlm_context *xlm,
                          const struct lm_wire_prologue *wire)
{
    if (be64toh(wire->header.ident) != LM_STREAM_IDENT) {
        return xlm_fail(xlm, "this is no libxl migration stream");
    }
    if (be32toh(wire->header.version) != LM_STREAM_VERSION) {
        return xlm_fail(xlm,
                        "libxl migration stream of version %u: only %u is "
                        "known here",
                        be32toh(wire->header.version), LM_STREAM_VERSION);
    }
    if (be32toh(wire->header.options) & LM_OPTION_BIG_ENDIAN) {
        return xlm_fail(xlm, "libxl migration stream of a big endian host");
    }
    if (le32toh(wire->libxc_context.type) != LM_REC_LIBXC_CONTEXT ||
        wire->libxc_context.length) {
        return xlm_fail(xlm,
                        "libxl migration stream: record %#x where libxc's "
                        "part should begin",
                        le32toh(wire->libxc_context.type));
    }
    return 0;
}

int lm_read_prologue(struct xlm_context *xlm, int fd)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    struct lm_wire_prologue wire;
    int ret = -1;

    if (xlm_channel_open(&channel, fd, -1, xlm->abort_fd) ||
        xlm_channel_read(&channel, &wire, sizeof(wire))) {
        xlm_fail(xlm, "cannot read from the source: %s", strerror(errno));
        goto out;
    }
    ret = check_prologue(xlm, &wire);

out:
    xlm_channel_close(&channel);
    return ret;
}

int lm_write_empty_record(struct xlm_context *xlm, struct xlm_channel *channel,
                          enum lm_record_type type)
{
    const struct lm_wire_record record = {.type = htole32(type)};

    if (xlm_channel_write(channel, &record, sizeof(record))) {
        return xlm_fail(xlm, "cannot write the device records: %s",
                        strerror(errno));
    }
    return 0;
}

void *lm_make_emulator_context(struct xlm_context *xlm, const void *state,
                               size_t state_length, size_t *length)
{
    struct lm_wire_emulator_context head = {
        .record.type = htole32(LM_REC_EMULATOR_CONTEXT),
        .emulator = htole32(LM_EMULATOR_QEMU),
    };
    size_t body = state_length + LM_EMULATOR_HEADER;
    uint8_t *octets = NULL;

    if (body <= LM_RECORD_MAX) {
        *length = padded(sizeof(head.record) + body);
        octets = calloc(1, *length);
    }
    if (!octets) {
        xlm_fail(xlm, "no memory for the state of the devices");
        return NULL;
    }
    head.record.length = htole32(body);
    memcpy(octets, &head, sizeof(head));
    memcpy(octets + sizeof(head), state, state_length);
    return octets;
}

static bool may_come(uint32_t type, uint32_t length)
{
    switch (type) {
    case LM_REC_END:
    case LM_REC_POSTCOPY_TRANSITION_END:
        return !length;
    case LM_REC_EMULATOR_XENSTORE_DATA:
    case LM_REC_EMULATOR_CONTEXT:
        return length >= LM_EMULATOR_HEADER && length <= LM_RECORD_MAX;
    default:
        return false;
    }
}

/* Allocate no more than twice what has come, whatever length the peer
 * announces. */
static int read_octets(struct xlm_context *xlm, struct xlm_channel *channel,
                       struct lm_record *record,
                       const struct lm_wire_record *head)
{
    size_t total = padded(sizeof(*head) + record->length);
    size_t got = sizeof(*head);

    record->octets = malloc(got);
    if (record->octets) {
        memcpy(record->octets, head, got);
    }
    while (record->octets && got < total) {
        size_t now = got > LM_READ_STEP ? got : LM_READ_STEP;
        uint8_t *octets;

        now = now < total - got ? now : total - got;
        octets = realloc(record->octets, got + now);
        if (!octets) {
            return xlm_fail(xlm, "no memory for the device records");
        }
        record->octets = octets;
        if (xlm_channel_read(channel, octets + got, now)) {
            return xlm_fail(xlm, "cannot read the device records: %s",
                            strerror(errno));
        }
        got += now;
    }
    record->total = total;
    return record->octets ? 0
                          : xlm_fail(xlm, "no memory for the device records");
}

int lm_read_record(struct xlm_context *xlm, struct xlm_channel *channel,
                   struct lm_record *record)
{
    struct lm_wire_record head;

    *record = (struct lm_record){.octets = NULL};
    if (xlm_channel_read(channel, &head, sizeof(head))) {
        return xlm_fail(xlm, "cannot read the device records: %s",
                        strerror(errno));
    }
    record->type = le32toh(head.type);
    record->length = le32toh(head.length);
    if (!may_come(record->type, record->length)) {
        errno = EPROTO;
        return xlm_fail(xlm,
                        "libxl migration stream: bad record %#x of %u octets",
                        record->type, record->length);
    }
    return read_octets(xlm, channel, record, &head);
}

void lm_record_dispose(struct lm_record *record)
{
    free(record->octets);
    record->octets = NULL;
}

int lm_parse_emulator_context(struct xlm_context *xlm,
                              const struct lm_record *record,
                              const void **state, size_t *length)
{
    struct lm_wire_emulator_context head;

    if (record->length <= LM_EMULATOR_HEADER) {
        errno = EPROTO;
        return xlm_fail(xlm, "libxl migration stream: no device state");
    }
    memcpy(&head, record->octets, sizeof(head));
    if (le32toh(head.emulator) != LM_EMULATOR_QEMU || head.index) {
        errno = EPROTO;
        return xlm_fail(xlm,
                        "the guest comes with a device model of kind %u: "
                        "only libxl's QEMU is known here",
                        le32toh(head.emulator));
    }
    *state = record->octets + sizeof(head);
    *length = record->length - LM_EMULATOR_HEADER;
    return 0;
}

int lm_check_devices(struct xlm_context *xlm, const void *octets,
                     size_t length)
{
    struct lm_wire_record head;
    struct lm_record record = {.octets = (uint8_t *)octets, .total = length};
    const void *state;
    size_t state_length;

    memcpy(&head, octets, sizeof(head));
    record.type = le32toh(head.type);
    record.length = le32toh(head.length);
    if (record.type != LM_REC_EMULATOR_CONTEXT ||
        padded(sizeof(head) + record.length) != length) {
        errno = EPROTO;
        return xlm_fail(xlm,
                        "bad migration stream: POSTCOPY_DEVICES with record "
                        "%#x of %u octets",
                        record.type, record.length);
    }
    return lm_parse_emulator_context(xlm, &record, &state, &state_length);
}
