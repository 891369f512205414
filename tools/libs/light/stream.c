/*
 * Our side of the libxl migration stream, version 2.
 */
#include "stream.h"

#include <endian.h>
#include <errno.h>
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

_Static_assert(sizeof(struct lm_wire_header) == 16, "wire");
_Static_assert(sizeof(struct lm_wire_record) == 8, "wire");
_Static_assert(sizeof(struct lm_wire_prologue) == LM_PROLOGUE_SIZE, "wire");

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

int lm_read_device_records(struct xlm_context *xlm,
                           struct xlm_channel *channel)
{
    struct lm_wire_record record;

    if (xlm_channel_read(channel, &record, sizeof(record))) {
        return xlm_fail(xlm, "cannot read the device records: %s",
                        strerror(errno));
    }
    switch (le32toh(record.type)) {
    case LM_REC_END:
    case LM_REC_POSTCOPY_TRANSITION_END:
        if (record.length) {
            break;
        }
        return 0;
    case LM_REC_EMULATOR_XENSTORE_DATA:
    case LM_REC_EMULATOR_CONTEXT:
        return xlm_fail(xlm, "the guest comes with a device model: only PVH "
                             "guests can be received");
    default:
        break;
    }
    return xlm_fail(xlm, "libxl migration stream: bad record %#x of %u octets",
                    le32toh(record.type), le32toh(record.length));
}
