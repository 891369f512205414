/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a source wants of a receiver.
 */
#include "wishes.h"

#include <string.h>

/* Each flag and the field that it is about. */
static const struct {
    uint32_t flag;
    size_t field;
} fields[] = {
    {XL_WISH_NO_MONITOR, offsetof(struct xl_options, no_monitor)},
    {XL_WISH_PAUSED, offsetof(struct xl_options, leave_paused)},
    {XL_WISH_DEBUG, offsetof(struct xl_options, debug)},
    {XL_WISH_CHECK, offsetof(struct xl_options, check)},
    {XL_WISH_SUPERPAGES, offsetof(struct xl_options, superpages)},
};

#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

void xl_wishes_make(struct xl_wishes *wishes, const struct xl_options *options)
{
    *wishes = (struct xl_wishes){.version = XL_WISHES_VERSION};
    memcpy(wishes->magic, XL_WISHES_MAGIC, sizeof(wishes->magic));
    for (size_t i = 0; i < NR_FIELDS; i++) {
        if (*(const bool *)((const char *)options + fields[i].field)) {
            wishes->flags |= fields[i].flag;
        }
    }
    /* Where the source's user has not said it, the receiver's may have. */
    if (options->given[xl_option_find(XL_COMMAND_MIGRATE, "link-timeout")]) {
        wishes->flags |= XL_WISH_LINK_TIMEOUT;
        wishes->link_timeout = options->params.link_timeout;
    }
}

const char *xl_wishes_check(const struct xl_wishes *wishes)
{
    if (memcmp(wishes->magic, XL_WISHES_MAGIC, sizeof(wishes->magic))) {
        return "no options of a source";
    }
    if (wishes->version != XL_WISHES_VERSION ||
        wishes->flags & ~XL_WISHES_ALL) {
        return "the options of an xl of another version: install the same "
               "version of this package on both hosts";
    }
    return NULL;
}

void xl_wishes_grant(const struct xl_wishes *wishes,
                     struct xl_options *options)
{
    if (wishes->flags & XL_WISH_LINK_TIMEOUT) {
        options->params.link_timeout = wishes->link_timeout;
    }
    for (size_t i = 0; i < NR_FIELDS; i++) {
        if (wishes->flags & fields[i].flag) {
            *(bool *)((char *)options + fields[i].field) = true;
        }
    }
}
