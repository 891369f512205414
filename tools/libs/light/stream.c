/*
 * Our side of the libxl migration stream, version 2.
 */
#include "stream.h"

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
/* Far more than any device model has to say. */
#define LM_RECORD_MAX (64u << 20)

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
    if (record->length > LM_RECORD_MAX) {
        errno = EPROTO;
        return xlm_fail(xlm,
                        "libxl migration stream: bad record %#x of %u octets",
                        record->type, record->length);
    }
    record->total = padded(sizeof(head) + record->length);
    record->octets = malloc(record->total);
    if (!record->octets) {
        return xlm_fail(xlm, "no memory for the device records");
    }
    memcpy(record->octets, &head, sizeof(head));
    if (xlm_channel_read(channel, record->octets + sizeof(head),
                         record->total - sizeof(head))) {
        return xlm_fail(xlm, "cannot read the device records: %s",
                        strerror(errno));
    }
    return 0;
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
