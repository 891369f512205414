/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl's header, and the JSON that follows it up to the parser: yajl, which
 * libxl uses as well.
 */
#include <string.h>

#include <yajl/yajl_tree.h>

#include "fuzz_peer.h"
#include "save_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct xl_save_header header;
    const char *config;
    char error[64];

    if (length < sizeof(header)) {
        return 0;
    }
    memcpy(&header, octets, sizeof(header));
    octets += sizeof(header);
    length -= sizeof(header);
    if (xl_save_header_check(&header) || header.data_length > length ||
        xl_save_data_check(octets, header.data_length, &config)) {
        return 0;
    }
    fuzz_require(strlen(config) < length);
    (void)xl_name_is_good(config);
    yajl_tree_free(yajl_tree_parse(config, error, sizeof(error)));
    return 0;
}
