/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The libxc migration stream, version 3, and the postcopy records that we add.
 *
 * All of it is specified in docs/specs/libxc-migration-stream.pandoc.  Every
 * number on the wire is little endian and every record is padded to eight
 * octets.
 */
#ifndef XLM_WIRE_H
#define XLM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/page.h"

/* Most pfns in a record that lists pfns without contents. */
#define XLM_LIST_PFNS 8192

#define XLM_IMAGE_MARKER UINT64_MAX
#define XLM_IMAGE_ID 0x58454e46u /* "XENF", big endian in the stream */
#define XLM_IMAGE_VERSION 3u

struct xlm_wire_image_header {
    uint64_t marker;
    uint32_t id;      /* big endian */
    uint32_t version; /* big endian */
    uint16_t options;
    uint16_t reserved1;
    uint32_t reserved2;
};

#define XLM_DOMAIN_TYPE_HVM 2u /* PVH as well */

struct xlm_wire_domain_header {
    uint32_t type;
    uint16_t page_shift;
    uint16_t reserved;
    uint32_t xen_major;
    uint32_t xen_minor;
};

struct xlm_wire_record_header {
    uint32_t type;
    uint32_t length; /* of the body, without the padding */
};

/* See wire/records.def.  Those from 0x13 on are ours. */
enum xlm_record_type {
#define TO_DESTINATION(constant, name, number, ...) \
    XLM_REC_##constant = number,
#define TO_SOURCE TO_DESTINATION
#include "wire/records.def"
};

/* Bit 31 of a record type: a reader that does not know the type skips it. */
#define XLM_REC_OPTIONAL 0x80000000u
/* That many in a row, and of so many octets each, at the most. */
#define XLM_OPTIONAL_RECORDS 64u
#define XLM_OPTIONAL_OCTETS (64u << 20)

/*
 * A LIST or PAGES: this, then count entries of 64 bits, then (of PAGES) the
 * contents of every page whose type has contents.
 */
struct xlm_wire_pfn_list {
    uint32_t count;
    uint32_t reserved;
};

/* An entry: the pfn in bits 0-51, the page type in bits 60-63. */
#define XLM_ENTRY_PFN_MASK 0x000fffffffffffffULL
#define XLM_ENTRY_TYPE_SHIFT 60
#define XLM_TYPE_NOTAB 0x0u  /* an ordinary page */
#define XLM_TYPE_BROKEN 0xdu /* no contents: unusable */
#define XLM_TYPE_XALLOC 0xeu /* no contents: allocate only */
#define XLM_TYPE_XTAB 0xfu   /* no contents: a hole */

struct xlm_wire_tsc_info {
    uint32_t mode;
    uint32_t khz;
    uint64_t nsec;
    uint32_t incarnation;
    uint32_t reserved;
};

struct xlm_wire_hvm_params {
    uint32_t count;
    uint32_t reserved;
};

struct xlm_wire_hvm_param {
    uint64_t index;
    uint64_t value;
};

/* POSTCOPY_PREPARE: what the source wants of the destination. */
#define XLM_PREPARE_VERSION 1u
/* When the devices are to start: before the guest is stopped, or after that,
 * as somebody wants it; or after that, as the guest's devices want it.  0: as
 * the destination sees fit. */
#define XLM_PREPARE_EARLY 1u
#define XLM_PREPARE_LATE 2u
#define XLM_PREPARE_LATE_DEVICES 4u
/* pfns are below so many times what it says: the guest may get some. */
#define XLM_PREPARE_GROWTH 2ull
struct xlm_wire_prepare {
    uint32_t version;
    uint32_t flags;  /* XLM_PREPARE_*, at most one; else zero */
    uint64_t pages;  /* pages that the guest holds */
    uint64_t pfns;   /* one more than the highest pfn of the guest */
    uint32_t credit; /* pages in flight at the most, unasked */
    uint32_t reserved;
    uint8_t id[16];   /* of the migration: random, the source's choice */
    uint8_t uuid[16]; /* the guest's, at the source */
};

/* POSTCOPY_RECOVER: what has become of this migration?  POSTCOPY_CHANNEL: here
 * is its fault channel. */
#define XLM_RECOVER_VERSION 1u
struct xlm_wire_recover {
    uint32_t version;
    uint32_t reserved;
    uint64_t pfns; /* these three as in PREPARE */
    uint8_t id[16];
    uint8_t uuid[16];
};

/* An ANSWER: this, then length octets of text (UTF-8, no terminating zero)
 * that say to a person why not. */
#define XLM_ANSWER_TEXT_MAX 1024u
struct xlm_wire_answer {
    uint32_t status; /* 0, or an enum xlm_refusal; STATE: xlm_guest_state */
    uint32_t length;
};

enum xlm_refusal {
    XLM_REFUSED_OTHER = 1,
    XLM_REFUSED_NO_PAGING = 2, /* hypervisor without memory paging */
    XLM_REFUSED_NO_HAP = 3,    /* the guest may not be paged: no HAP */
    XLM_REFUSED_NO_MEMORY = 4, /* the host cannot hold the guest */
    XLM_REFUSED_VERSION = 5,   /* PREPARE of a version not known here */
    XLM_REFUSED_BUILD = 6,     /* the toolstack could not build the domain */
};

/* POSTCOPY_STATE: what the destination knows of the guest. */
enum xlm_guest_state {
    XLM_GUEST_UNKNOWN = 0, /* nothing: another host, or started anew */
    XLM_GUEST_NEVER_RAN = 1,
    XLM_GUEST_RUNS = 2,     /* and may lack pages */
    XLM_GUEST_COMPLETE = 3, /* it ran, and all of it came */
    XLM_GUEST_ENDED = 4,    /* it ran, and is no more */
    XLM_GUEST_LOST = 5,     /* it ran, and can never be whole any more */
};

struct xlm_wire_credit {
    uint32_t pages; /* taken since the last CREDIT */
    uint32_t reserved;
};

/* POSTCOPY_CHANNEL_END: what came over the fault channel, which is no more. */
struct xlm_wire_channel_end {
    uint64_t pages; /* all of its records that were taken as a whole */
};

#define XLM_WIRE_WAIT_BUCKETS 32
#define XLM_WIRE_WAIT_VCPUS 128
struct xlm_wire_stats {
    uint64_t faults;          /* requests of the guest for a page */
    uint64_t fault_median_us; /* request seen to page in place */
    uint64_t fault_p99_us;
    uint64_t fault_max_us;
    uint64_t pages_requested; /* pages that arrived on request */
    uint64_t pages_pushed;    /* pages that arrived unasked */
    uint64_t pages_dropped;   /* no longer wanted by the guest */
    uint64_t blocked_us;      /* sum of all waits of all vCPUs */
    uint64_t outside;         /* requests from outside the guest */
    uint64_t duplicates;      /* pages that had arrived before */
    uint64_t behind_median;   /* pages that arrived unasked ... */
    uint64_t behind_most;     /* ... while a vCPU waited for one */
    uint64_t histogram[XLM_WIRE_WAIT_BUCKETS]; /* waits of 2^i us and more */
    uint32_t nr_vcpus; /* so many times of 64 bits follow: us, all waits of
                          each vCPU */
    uint32_t reserved;
};

_Static_assert(sizeof(struct xlm_wire_image_header) == 24, "wire");
_Static_assert(sizeof(struct xlm_wire_domain_header) == 16, "wire");
_Static_assert(sizeof(struct xlm_wire_record_header) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_pfn_list) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_tsc_info) == 24, "wire");
_Static_assert(sizeof(struct xlm_wire_hvm_params) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_hvm_param) == 16, "wire");
_Static_assert(sizeof(struct xlm_wire_prepare) == 64, "wire");
_Static_assert(sizeof(struct xlm_wire_recover) == 48, "wire");
_Static_assert(sizeof(struct xlm_wire_answer) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_credit) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_channel_end) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_stats) == 360, "wire");

static inline uint64_t xlm_entry(uint64_t pfn, uint32_t type)
{
    return pfn | (uint64_t)type << XLM_ENTRY_TYPE_SHIFT;
}

static inline uint64_t xlm_entry_pfn(uint64_t entry)
{
    return entry & XLM_ENTRY_PFN_MASK;
}

static inline uint32_t xlm_entry_type(uint64_t entry)
{
    return entry >> XLM_ENTRY_TYPE_SHIFT;
}

static inline bool xlm_type_has_contents(uint32_t type)
{
    return type < XLM_TYPE_BROKEN;
}

#endif
