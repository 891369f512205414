/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor loads an HVM context as Xen 4.14 does, as far as that
 * touches pages of the guest or can crash the guest or the host.
 */
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/save.h>

#include "fake_internal.h"
#include "wire/wire.h"

#define CR0_PAGING (UINT64_C(1) << 31)
#define CR4_WIDE_ENTRIES (UINT64_C(1) << 5)
#define EFER_LONG_MODE (UINT64_C(1) << 10)
#define TIMERS 4

static bool is_ram(const struct fake_domain *domain, uint64_t pfn)
{
    return pfn < domain->nr_pfns && domain->p2m[pfn] == FAKE_RAM;
}

/* As viridian_map_guest_page(): a page that is there is mapped and cleared,
 * and cannot be evicted from then on; Xen does nothing about an absent page.
 */
static void map_page(struct fake_domain *domain,
                     struct fake_viridian_page *page, uint64_t msr)
{
    page->enabled = msr & 1;
    if (!page->enabled || page->mapped ||
        !is_ram(domain, msr >> XLM_PAGE_SHIFT)) {
        return;
    }
    page->mapped = true;
    page->pfn = msr >> XLM_PAGE_SHIFT;
    domain->busy[page->pfn] = true;
    memset(domain->memory + page->pfn * XLM_PAGE_SIZE, 0, XLM_PAGE_SIZE);
}

/* vmx_load_pdptrs() */
static void load_cpu(struct fake_domain *domain, unsigned int vcpu,
                     const struct hvm_hw_cpu *cpu)
{
    bool wide = (cpu->cr0 & CR0_PAGING) && (cpu->cr4 & CR4_WIDE_ENTRIES) &&
                !(cpu->msr_efer & EFER_LONG_MODE);

    if (wide && !is_ram(domain, cpu->cr3 >> XLM_PAGE_SHIFT)) {
        domain->crashed = true;
    }
    domain->vcpu_up[vcpu] = true;
}

static void load_vcpu(struct fake_domain *domain, unsigned int vcpu,
                      const struct hvm_viridian_vcpu_context *context)
{
    struct fake_viridian_vcpu *viridian = &domain->viridian_vcpus[vcpu];

    map_page(domain, &viridian->assist, context->vp_assist_msr);
    map_page(domain, &viridian->messages, context->simp_msr);
    viridian->eoi_pending = context->apic_assist_pending;
    viridian->timers = false;
    viridian->endless = false;
    for (unsigned int i = 0; i < TIMERS; i++) {
        bool enabled = context->stimer_config_msr[i] & 1;

        viridian->timers = viridian->timers || enabled;
        viridian->endless =
            viridian->endless || (enabled && !context->stimer_count_msr[i]);
    }
}

static void load_record(struct fake_domain *domain,
                        const struct hvm_save_descriptor *head,
                        const uint8_t *body)
{
    union {
        struct hvm_hw_cpu cpu;
        struct hvm_viridian_domain_context domain;
        struct hvm_viridian_vcpu_context vcpu;
    } record;

    if (head->instance >= domain->vcpus || head->instance >= FAKE_VCPUS) {
        return;
    }
    memset(&record, 0, sizeof(record));
    memcpy(&record, body,
           head->length < sizeof(record) ? head->length : sizeof(record));
    switch (head->typecode) {
    case HVM_SAVE_CODE(CPU):
        load_cpu(domain, head->instance, &record.cpu);
        break;
    case HVM_SAVE_CODE(VIRIDIAN_DOMAIN):
        map_page(domain, &domain->reference_tsc, record.domain.reference_tsc);
        break;
    case HVM_SAVE_CODE(VIRIDIAN_VCPU):
        load_vcpu(domain, head->instance, &record.vcpu);
        break;
    default:
        break;
    }
}

void fake_context_load(struct fake_domain *domain, const void *context,
                       size_t length)
{
    const uint8_t *octets = context;
    struct hvm_save_descriptor head = {.typecode = 0};

    memcpy(&head, octets, length < sizeof(head) ? length : sizeof(head));
    if (head.typecode != HVM_SAVE_CODE(HEADER)) {
        return;
    }
    domain->has_vcpu_state = true;
    memset(domain->vcpu_up, 0, sizeof(domain->vcpu_up));
    while (length >= sizeof(head)) {
        memcpy(&head, octets, sizeof(head));
        octets += sizeof(head);
        length -= sizeof(head);
        if (head.typecode == HVM_SAVE_CODE(END) || head.length > length) {
            break;
        }
        load_record(domain, &head, octets);
        octets += head.length;
        length -= head.length;
    }
    /* domain_unpause() starts the domain's time again. */
    if (domain->reference_tsc.enabled && !domain->reference_tsc.mapped) {
        fake_violation(domain->host, "the host panics: no page for the "
                                     "reference TSC");
    }
}

void fake_context_run(struct fake_domain *domain)
{
    for (unsigned int i = 0; i < FAKE_VCPUS; i++) {
        const struct fake_viridian_vcpu *viridian = &domain->viridian_vcpus[i];

        if (viridian->timers && !viridian->messages.mapped) {
            fake_violation(domain->host, "the host panics: no page for the "
                                         "message of a timer");
        }
        if (viridian->endless) {
            fake_violation(domain->host, "the host panics: a timer that "
                                         "counts to 0");
        }
        if (viridian->eoi_pending && viridian->assist.enabled &&
            !viridian->assist.mapped) {
            domain->eoi_lost = true;
        }
    }
}

bool fake_domain_eoi_lost(struct fake_domain *domain)
{
    return domain->eoi_lost;
}

bool fake_context_can_run(const struct fake_domain *domain)
{
    bool can = !domain->has_vcpu_state;

    for (unsigned int i = 0; i < FAKE_VCPUS; i++) {
        can = can || domain->vcpu_up[i];
    }
    return can;
}

bool fake_page_held(struct fake_domain *domain, uint64_t pfn)
{
    return domain->busy[pfn];
}
