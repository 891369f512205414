/* SPDX-License-Identifier: LGPL-2.1-or-later
 * An HVM context, record by record.
 */
#include "policy/hvm_context.h"

#include <stdbool.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/save.h>

#include "policy/page.h"

#define CR0_PAGING (UINT64_C(1) << 31)
#define CR3_PFN_MASK UINT64_C(0x000fffffffffffff)

/* This bit is in every MSR that names a page, and in a timer's. */
#define MSR_ENABLED UINT64_C(1)

bool xlm_hvm_context_next(const void *context, size_t length, size_t *at,
                          struct xlm_hvm_record *record)
{
    uint8_t *octets = (uint8_t *)context;
    struct hvm_save_descriptor head;

    if (length - *at < sizeof(head)) {
        return false;
    }
    memcpy(&head, octets + *at, sizeof(head));
    if (head.typecode == HVM_SAVE_CODE(END) ||
        head.length > length - *at - sizeof(head)) {
        return false;
    }
    record->type = head.typecode;
    record->body = octets + *at + sizeof(head);
    record->length = head.length;
    *at += sizeof(head) + head.length;
    return true;
}

static bool needs_memory(uint16_t type)
{
    switch (type) {
    case HVM_SAVE_CODE(CPU):
    case HVM_SAVE_CODE(VIRIDIAN_DOMAIN):
    case HVM_SAVE_CODE(VIRIDIAN_VCPU):
        return true;
    default:
        return false;
    }
}

size_t xlm_hvm_context_strip(void *context, size_t length)
{
    uint8_t *octets = context;
    struct xlm_hvm_record record;
    size_t from = 0;
    size_t kept = 0;
    size_t at = 0;

    while (xlm_hvm_context_next(context, length, &at, &record)) {
        if (!needs_memory(record.type)) {
            memmove(octets + kept, octets + from, at - from);
            kept += at - from;
        }
        from = at;
    }
    memmove(octets + kept, octets + from, length - from);
    return kept + length - from;
}

static uint64_t get(const uint8_t *field)
{
    uint64_t value;

    memcpy(&value, field, sizeof(value));
    return value;
}

static void put(uint8_t *field, uint64_t value)
{
    memcpy(field, &value, sizeof(value));
}

/* NULL: the record is too short for the field, which Xen takes for 0. */
static uint8_t *field_at(const struct xlm_hvm_record *record, size_t offset)
{
    return record->length >= offset + sizeof(uint64_t) ? record->body + offset
                                                       : NULL;
}

static bool is_on(const uint8_t *msr)
{
    return msr && (get(msr) & MSR_ENABLED);
}

void xlm_hvm_context_turn_off(uint8_t *msr)
{
    put(msr, get(msr) & ~MSR_ENABLED);
}

static int name_msr(const struct xlm_hvm_record *record, size_t offset,
                    xlm_hvm_page_fn *each, void *data)
{
    uint8_t *msr = field_at(record, offset);

    return is_on(msr) ? each(get(msr) >> XLM_PAGE_SHIFT, msr, data) : 0;
}

static int name_cr3(const struct xlm_hvm_record *record, xlm_hvm_page_fn *each,
                    void *data)
{
    const uint8_t *cr0 = field_at(record, offsetof(struct hvm_hw_cpu, cr0));
    const uint8_t *cr3 = field_at(record, offsetof(struct hvm_hw_cpu, cr3));

    if (!cr3 || !(get(cr0) & CR0_PAGING)) {
        return 0;
    }
    return each((get(cr3) & CR3_PFN_MASK) >> XLM_PAGE_SHIFT, NULL, data);
}

static int name_pages(const struct xlm_hvm_record *record,
                      xlm_hvm_page_fn *each, void *data)
{
    typedef struct hvm_viridian_domain_context domain;
    typedef struct hvm_viridian_vcpu_context vcpu;
    int rc;

    switch (record->type) {
    case HVM_SAVE_CODE(CPU):
        return name_cr3(record, each, data);
    case HVM_SAVE_CODE(VIRIDIAN_DOMAIN):
        rc = name_msr(record, offsetof(domain, reference_tsc), each, data);
        return rc ? rc
                  : name_msr(record, offsetof(domain, hypercall_gpa), each,
                             data);
    case HVM_SAVE_CODE(VIRIDIAN_VCPU):
        rc = name_msr(record, offsetof(vcpu, vp_assist_msr), each, data);
        return rc ? rc
                  : name_msr(record, offsetof(vcpu, simp_msr), each, data);
    default:
        return 0;
    }
}

int xlm_hvm_context_pages(void *context, size_t length, xlm_hvm_page_fn *each,
                          void *data)
{
    struct xlm_hvm_record record;
    size_t at = 0;
    int rc = 0;

    while (!rc && xlm_hvm_context_next(context, length, &at, &record)) {
        rc = name_pages(&record, each, data);
    }
    return rc;
}

static unsigned int defuse_timers(const struct xlm_hvm_record *record)
{
    typedef struct hvm_viridian_vcpu_context vcpu;
    bool has_page = is_on(field_at(record, offsetof(vcpu, simp_msr)));
    unsigned int count = 0;

    for (size_t i = 0; i < 4; i++) {
        uint8_t *config =
            field_at(record, offsetof(vcpu, stimer_config_msr) + 8 * i);
        const uint8_t *ticks =
            field_at(record, offsetof(vcpu, stimer_count_msr) + 8 * i);

        if (is_on(config) && (!has_page || !ticks || !get(ticks))) {
            xlm_hvm_context_turn_off(config);
            count++;
        }
    }
    return count;
}

unsigned int xlm_hvm_context_defuse_timers(void *context, size_t length)
{
    struct xlm_hvm_record record;
    unsigned int count = 0;
    size_t at = 0;

    while (xlm_hvm_context_next(context, length, &at, &record)) {
        if (record.type == HVM_SAVE_CODE(VIRIDIAN_VCPU)) {
            count += defuse_timers(&record);
        }
    }
    return count;
}
