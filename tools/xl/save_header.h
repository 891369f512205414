/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What comes before the libxl stream on the wire and in a save file: xl's own
 * header, with the domain's configuration.  The layout is the stock xl's.
 */
#ifndef XL_SAVE_HEADER_H
#define XL_SAVE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XL_SAVE_MAGIC "Xen saved domain, xl format\n \0 \r"
#define XL_SAVE_BYTE_ORDER 0x01020304u
#define XL_SAVE_JSON (1u << 0)      /* the configuration is JSON */
#define XL_SAVE_STREAM_V2 (1u << 1) /* the libxl stream has version 2 */
/* A configuration has some KiB; this bounds what a peer can make the receiver
 * allocate. */
#define XL_SAVE_DATA_MAX (1u << 20)

struct xl_save_header {
    char magic[32];
    uint32_t byte_order;
    uint32_t mandatory_flags;
    uint32_t optional_flags;
    uint32_t data_length; /* of the struct xl_save_data that follows */
};

/* The length of the configuration, then the configuration with its zero. */
struct xl_save_data {
    uint32_t config_length;
};

_Static_assert(sizeof(struct xl_save_header) == 48, "wire");
_Static_assert(sizeof(struct xl_save_data) == 4, "wire");

/* Make header and data for a JSON configuration of this many octets, including
 * its zero. */
void xl_save_header_make(struct xl_save_header *header,
                         struct xl_save_data *data, uint32_t config_length);

/* NULL, or what is wrong: then the rest of the stream is unusable. */
const char *xl_save_header_check(const struct xl_save_header *header);

/*
 * Find the configuration in the data, which has header->data_length octets.
 * NULL, or what is wrong.  *config points into the data and ends with a zero.
 */
const char *xl_save_data_check(const void *data, size_t data_length,
                               const char **config);

/* Is this name of a domain harmless for people, terminals and xenstore? */
bool xl_name_is_good(const char *name);

#endif
