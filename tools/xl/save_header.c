/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl's own header: pure, so that tests can pass bad ones.
 */
#include "save_header.h"

#include <string.h>

#include "json_bounds.h"
#include "utf8.h"

#define XL_NAME_MAX 256

_Static_assert(sizeof(XL_SAVE_MAGIC) - 1 ==
                   sizeof(((struct xl_save_header *)0)->magic),
               "wire");

void xl_save_header_make(struct xl_save_header *header,
                         struct xl_save_data *data, uint32_t config_length)
{
    *header = (struct xl_save_header){
        .byte_order = XL_SAVE_BYTE_ORDER,
        .mandatory_flags = XL_SAVE_JSON | XL_SAVE_STREAM_V2,
        .data_length = sizeof(*data) + config_length,
    };
    memcpy(header->magic, XL_SAVE_MAGIC, sizeof(header->magic));
    data->config_length = config_length;
}

const char *xl_save_header_check(const struct xl_save_header *header)
{
    if (memcmp(header->magic, XL_SAVE_MAGIC, sizeof(header->magic))) {
        return "not an xl migration stream";
    }
    if (header->byte_order != XL_SAVE_BYTE_ORDER) {
        return "a stream of a host with another byte order";
    }
    if (header->mandatory_flags != (XL_SAVE_JSON | XL_SAVE_STREAM_V2)) {
        return "a stream of an older or a newer xl than is known here";
    }
    if (header->data_length > XL_SAVE_DATA_MAX) {
        return "a configuration that is far too long";
    }
    return NULL;
}

const char *xl_save_data_check(const void *data, size_t data_length,
                               const char **config)
{
    const char *text = (const char *)data + sizeof(struct xl_save_data);
    struct xl_save_data head;
    const char *problem;

    if (data_length < sizeof(head)) {
        return "a stream without a configuration";
    }
    memcpy(&head, data, sizeof(head));
    if (head.config_length == 0 ||
        head.config_length > data_length - sizeof(head)) {
        return "a truncated configuration";
    }
    if (text[head.config_length - 1] != '\0') {
        return "a configuration without an end";
    }
    problem = lm_json_problem(text, head.config_length);
    if (problem) {
        return problem;
    }
    *config = text;
    return NULL;
}

bool xl_name_is_good(const char *name)
{
    size_t length = strlen(name);

    return length && length <= XL_NAME_MAX && !strchr(name, '/') &&
           lm_utf8_is_harmless(name);
}
