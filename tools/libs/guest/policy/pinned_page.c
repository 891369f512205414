/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Recognises pages that the hypervisor holds, or looks up, on behalf of a
 * guest, by the contents that Xen's public headers define.
 */
#include "policy/pinned_page.h"

#include <stddef.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/event_channel.h>

#include "policy/page.h"

/* ---- vcpu_info ---- */

/* struct vcpu_info of Xen's public headers has 64 octets for guests of 32 and
 * of 64 bits, and the time, struct vcpu_time_info, in the last 32. */
#define INFO_SIZE 64
#define TIME_OFFSET 32

struct vcpu_time {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad1[2];
};

_Static_assert(sizeof(struct vcpu_time) == INFO_SIZE - TIME_OFFSET,
               "as in Xen's public headers");

/* The factor is scaled until its top bit is set. */
#define MUL_TOP_BIT (1u << 31)
#define MOST_SHIFT 31
/* The TSC is stable; the guest was stopped. */
#define MOST_FLAGS 3

/* The page may be written while this reads it: the version, odd then, proves
 * nothing. */
static bool is_time(const struct vcpu_time *time)
{
    return time->version && !time->pad0 && time->tsc_timestamp &&
           time->system_time && time->tsc_to_system_mul & MUL_TOP_BIT &&
           time->tsc_shift >= -MOST_SHIFT && time->tsc_shift <= MOST_SHIFT &&
           time->flags <= MOST_FLAGS && !time->pad1[0] && !time->pad1[1];
}

static bool has_vcpu_info(const uint8_t *page)
{
    for (size_t at = 0; at + INFO_SIZE <= XLM_PAGE_SIZE;
         at += sizeof(uint64_t)) {
        struct vcpu_time time;

        memcpy(&time, page + at + TIME_OFFSET, sizeof(time));
        if (is_time(&time)) {
            return true;
        }
    }
    return false;
}

/* ---- event channels ---- */

/* A control block is alone in a page that was empty. */
static bool is_control_block(const uint8_t *page)
{
    static const uint8_t empty[XLM_PAGE_SIZE];
    evtchn_fifo_control_block_t block;
    bool used = false;

    memcpy(&block, page, sizeof(block));
    if (block.ready >> EVTCHN_FIFO_MAX_QUEUES ||
        memcmp(page + sizeof(block), empty, XLM_PAGE_SIZE - sizeof(block))) {
        return false;
    }
    for (size_t i = 0; i < EVTCHN_FIFO_MAX_QUEUES; i++) {
        if (block.head[i] > EVTCHN_FIFO_LINK_MASK) {
            return false;
        }
        used = used || block.head[i];
    }
    return used;
}

#define EVENT_WORDS (XLM_PAGE_SIZE / sizeof(event_word_t))
/* All bits that an event word can have. */
#define EVENT_WORD_MASK \
    (1u << EVTCHN_FIFO_PENDING | 1u << EVTCHN_FIFO_MASKED | \
     1u << EVTCHN_FIFO_LINKED | 1u << EVTCHN_FIFO_BUSY | \
     EVTCHN_FIFO_LINK_MASK)

/* The events of unused channels are masked, and most channels are unused. */
static bool is_event_array(const uint8_t *page)
{
    size_t masked = 0;

    for (size_t i = 0; i < EVENT_WORDS; i++) {
        event_word_t word;

        memcpy(&word, page + i * sizeof(word), sizeof(word));
        if (word & ~EVENT_WORD_MASK) {
            return false;
        }
        masked += word >> EVTCHN_FIFO_MASKED & 1;
    }
    return masked > EVENT_WORDS / 2;
}

bool xlm_is_pinned_page(const uint8_t *page)
{
    return has_vcpu_info(page) || is_control_block(page) ||
           is_event_array(page);
}
