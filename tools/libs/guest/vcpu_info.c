/*
 * Telling a page in which the hypervisor keeps a vcpu_info.
 */
#include "vcpu_info.h"

#include <stddef.h>
#include <string.h>

#include "wire.h"

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

/* An odd version would be one that is being written. */
static bool is_time(const struct vcpu_time *time)
{
    return time->version && time->version % 2 == 0 && !time->pad0 &&
           time->tsc_timestamp && time->system_time &&
           time->tsc_to_system_mul & MUL_TOP_BIT &&
           time->tsc_shift >= -MOST_SHIFT && time->tsc_shift <= MOST_SHIFT &&
           time->flags <= MOST_FLAGS && !time->pad1[0] && !time->pad1[1];
}

bool xlm_has_vcpu_info(const uint8_t *page)
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
