/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The libxc migration stream, version 3, and this project's postcopy records.
 *
 * docs/specs/libxc-migration-stream.pandoc specifies all of it.  Every number
 * on the wire is little endian, and every record is padded to eight octets.
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

/* See wire/records.def.  Types from 0x13 on are this project's. */
enum xlm_record_type {
#define TO_DESTINATION(constant, name, number, ...) \
    XLM_REC_##constant = number,
#define TO_SOURCE TO_DESTINATION
#include "wire/records.def"
};

/* Bit 31 of a record type: a reader that does not know the type skips it. */
#define XLM_REC_OPTIONAL 0x80000000u
/* Most optional records in a row, and most octets in each. */
#define XLM_OPTIONAL_RECORDS 64u
#define XLM_OPTIONAL_OCTETS (64u << 20)

/*
 * A list of pages: this header, then count entries of 64 bits, then, for
 * PAGES, the contents of every page whose type has contents; for COMPRESSED
 * one frame that expands to these; and for REPEATED count times the 64 bits
 * of which a page consists.
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

/* POSTCOPY_PREPARE: what the source expects of the destination. */
#define XLM_PREPARE_VERSION 1u
/* When the devices must start: before the stop, or in the stop because the
 * user asked for it, or because the guest's devices need it.  0: the
 * destination decides. */
#define XLM_PREPARE_EARLY 1u
#define XLM_PREPARE_LATE 2u
#define XLM_PREPARE_LATE_DEVICES 4u
/* The guest may get more pages: all pfns stay below this many times the number
 * in PREPARE. */
#define XLM_PREPARE_GROWTH 2ull
struct xlm_wire_prepare {
    uint32_t version;
    uint32_t flags;  /* at most one of XLM_PREPARE_*; else zero */
    uint64_t pages;  /* pages that the guest holds */
    uint64_t pfns;   /* the guest's highest pfn plus one */
    uint32_t credit; /* most pushed pages under way */
    uint32_t reserved;
    uint8_t id[16];   /* the migration's: random, chosen by the source */
    uint8_t uuid[16]; /* the guest's, at the source */
};

/* POSTCOPY_RECOVER: asks what has become of this migration.  POSTCOPY_CHANNEL:
 * this is its fault channel. */
#define XLM_RECOVER_VERSION 1u
struct xlm_wire_recover {
    uint32_t version;
    uint32_t reserved;
    uint64_t pfns; /* these three are as in PREPARE */
    uint8_t id[16];
    uint8_t uuid[16];
};

/* Most connections that a push goes over. */
#define XLM_STREAMS_MOST 16u
/* POSTCOPY_STREAM: this is one of them. */
struct xlm_wire_stream {
    uint32_t version; /* XLM_RECOVER_VERSION */
    uint32_t index;   /* the first connection has 0 */
    uint64_t pfns;    /* these three are as in PREPARE */
    uint8_t id[16];
    uint8_t uuid[16];
};

/* POSTCOPY_STREAM_USE and POSTCOPY_STREAM_LOST. */
struct xlm_wire_stream_index {
    uint32_t index;
    uint32_t reserved;
};

/* POSTCOPY_STREAM_END: what came over a stream, which is closed. */
struct xlm_wire_stream_end {
    uint32_t index;
    uint32_t reserved;
    uint64_t pages; /* in all records that came completely */
};

/* An ANSWER: this header, then length octets of text (UTF-8, no terminating
 * zero) that tell a person the reason. */
#define XLM_ANSWER_TEXT_MAX 1024u
struct xlm_wire_answer {
    uint32_t status; /* 0, or enum xlm_refusal; STATE: xlm_guest_state */
    uint32_t length;
};

enum xlm_refusal {
    XLM_REFUSED_OTHER = 1,
    XLM_REFUSED_NO_PAGING = 2, /* hypervisor without memory paging */
    XLM_REFUSED_NO_HAP = 3,    /* the guest has no HAP */
    XLM_REFUSED_NO_MEMORY = 4, /* the host cannot hold the guest */
    XLM_REFUSED_VERSION = 5,   /* this PREPARE version is not known */
    XLM_REFUSED_BUILD = 6,     /* the toolstack could not build the domain */
};

/* POSTCOPY_STATE: what the destination knows about the guest. */
enum xlm_guest_state {
    XLM_GUEST_UNKNOWN = 0, /* nothing: another host, or booted since */
    XLM_GUEST_NEVER_RAN = 1,
    XLM_GUEST_RUNS = 2,     /* it runs, and may lack pages */
    XLM_GUEST_COMPLETE = 3, /* it ran, and has all its pages */
    XLM_GUEST_ENDED = 4,    /* it ran, and has ended */
    XLM_GUEST_LOST = 5,     /* it ran, and can never be complete */
};

struct xlm_wire_credit {
    uint32_t pages; /* taken since the last CREDIT */
    uint32_t reserved;
};

/* POSTCOPY_CHANNEL_END: what came over the fault channel, which is closed. */
struct xlm_wire_channel_end {
    uint64_t pages; /* in all records that came completely */
};

/* POSTCOPY_EVICT_TIME: how long evicting has taken the destination so far. */
struct xlm_wire_evict_time {
    uint64_t pages;
    uint64_t us;
};

/* POSTCOPY_FEATURES: records that the destination knows, besides those of the
 * first version. */
#define XLM_FEATURE_REPEATED 1u   /* POSTCOPY_REPEATED_PAGES */
#define XLM_FEATURE_COMPRESSED 2u /* POSTCOPY_COMPRESSED */
struct xlm_wire_features {
    uint32_t features;
    uint32_t reserved;
};

#define XLM_WIRE_WAIT_BUCKETS 32
#define XLM_WIRE_WAIT_VCPUS 128
struct xlm_wire_stats {
    uint64_t faults; /* pages that vCPUs waited for */
    /* from reading the request until the page is in */
    uint64_t fault_median_us;
    uint64_t fault_p99_us;
    uint64_t fault_max_us;
    uint64_t pages_requested; /* pages that arrived on request */
    uint64_t pages_pushed;    /* pushed pages that arrived */
    uint64_t pages_dropped;   /* the guest gave these up */
    uint64_t blocked_us;      /* sum of all waits of all vCPUs */
    uint64_t outside;         /* accesses from outside the guest */
    uint64_t duplicates;      /* pages that came a second time */
    uint64_t behind_median;   /* pushed pages that arrived ... */
    uint64_t behind_most;     /* ... while a vCPU waited for a page */
    /* bucket i: waits from 2^i us */
    uint64_t histogram[XLM_WIRE_WAIT_BUCKETS];
    /* this many times of 64 bits follow: us, one sum for each vCPU */
    uint32_t nr_vcpus;
    uint32_t unseen; /* pages written to here before they came */
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
_Static_assert(sizeof(struct xlm_wire_stream) == 48, "wire");
_Static_assert(sizeof(struct xlm_wire_stream_index) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_stream_end) == 16, "wire");
_Static_assert(sizeof(struct xlm_wire_answer) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_credit) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_channel_end) == 8, "wire");
_Static_assert(sizeof(struct xlm_wire_evict_time) == 16, "wire");
_Static_assert(sizeof(struct xlm_wire_features) == 8, "wire");
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
