/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How much memory a guest may have, and is told to have, while it moves.
 */
#include "keeping/held_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "xlm.h"

#define PATH_MAX_OF_NODE 64
#define NUMBER_MAX 24
#define KIB_PER_PAGE 4u
/* libxl keeps this much of a guest's memory for itself and the toolstack's
 * pages: a guest may exceed its target by that much. */
#define SLACK_KIB 2048u

#define LIBXL "/libxl/%" PRIu32
#define MEMORY "/local/domain/%" PRIu32 "/memory"
#define TARGET "/local/domain/%" PRIu32 "/memory/target"
#define STATIC_MAX "/local/domain/%" PRIu32 "/memory/static-max"
#define VIDEORAM "/local/domain/%" PRIu32 "/memory/videoram"
/* Beside the nodes of the migration, which go when another one takes over. */
#define KEPT_TARGET "/libxl/%" PRIu32 "/live-migrate-target"
#define KEPT_HELD "/libxl/%" PRIu32 "/live-migrate-held-target"
#define KEPT_MAX_PAGES "/libxl/%" PRIu32 "/live-migrate-max-pages"

/* ---- nodes that hold a number ---- */

/* False: there is none. */
static bool read_number(struct xs_handle *xs, const char *node, uint32_t domid,
                        uint64_t *number)
{
    char path[PATH_MAX_OF_NODE], *text, *end;
    unsigned int length;
    bool is;

    snprintf(path, sizeof(path), node, domid);
    text = xs_read(xs, XBT_NULL, path, &length);
    if (!text) {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    is = end != text && !*end && !errno;
    free(text);
    return is;
}

static bool write_number(struct xs_handle *xs, const char *node,
                         uint32_t domid, uint64_t number)
{
    char path[PATH_MAX_OF_NODE], text[NUMBER_MAX];

    snprintf(path, sizeof(path), node, domid);
    snprintf(text, sizeof(text), "%" PRIu64, number);
    return xs_write(xs, XBT_NULL, path, text, strlen(text));
}

static bool remove_node(struct xs_handle *xs, const char *node, uint32_t domid)
{
    char path[PATH_MAX_OF_NODE];

    snprintf(path, sizeof(path), node, domid);
    return xs_rm(xs, XBT_NULL, path) || errno == ENOENT;
}

/* The nodes go with the domain: none must be made again. */
static bool is_gone(struct xs_handle *xs, const char *node, uint32_t domid)
{
    char path[PATH_MAX_OF_NODE], *value;
    unsigned int length;

    snprintf(path, sizeof(path), node, domid);
    value = xs_read(xs, XBT_NULL, path, &length);
    free(value);
    return !value && errno == ENOENT;
}

/* ---- what it is told to have ---- */

/* If a value is there already, a killed process has left it: the first value
 * is what the owner wanted. */
static bool keep_target(struct xs_handle *xs, uint32_t domid, uint64_t target)
{
    uint64_t kept, held;

    if (read_number(xs, KEPT_TARGET, domid, &kept) &&
        (!read_number(xs, KEPT_HELD, domid, &held) || held == target)) {
        return true;
    }
    return write_number(xs, KEPT_TARGET, domid, target);
}

/* What the guest has, as a target; never more than it can have. */
static uint64_t has_kib(struct xs_handle *xs, uint32_t domid, uint64_t pages)
{
    uint64_t kib = pages * KIB_PER_PAGE;
    uint64_t video, most;

    if (read_number(xs, VIDEORAM, domid, &video) && video < kib) {
        kib -= video;
    }
    if (read_number(xs, STATIC_MAX, domid, &most) && most < kib) {
        kib = most;
    }
    return kib;
}

/* A guest that is giving pages back would go on with that at the destination.
 * A guest that wants more gets none at the source, and may get some there. */
static bool hold_target(struct xs_handle *xs, uint32_t domid, uint64_t pages)
{
    uint64_t target;
    uint64_t has = has_kib(xs, domid, pages);

    if (!read_number(xs, TARGET, domid, &target) ||
        target + SLACK_KIB >= has) {
        return true;
    }
    return keep_target(xs, domid, target) &&
           write_number(xs, KEPT_HELD, domid, has) &&
           write_number(xs, TARGET, domid, has);
}

/* Unless another program has set it since. */
static bool put_target_back(struct xs_handle *xs, uint32_t domid)
{
    uint64_t target, kept, held;
    bool told = read_number(xs, TARGET, domid, &target);
    bool was_held = read_number(xs, KEPT_HELD, domid, &held);
    bool done = true;

    if (!read_number(xs, KEPT_TARGET, domid, &kept) ||
        is_gone(xs, MEMORY, domid)) {
        return true;
    }
    if (!told || (was_held && target == held)) {
        done = write_number(xs, TARGET, domid, kept);
    }
    return done && remove_node(xs, KEPT_HELD, domid) &&
           remove_node(xs, KEPT_TARGET, domid);
}

/* Keep the value before it is removed: if this process is killed in between,
 * another can restore it. */
static bool withhold_target(struct xs_handle *xs, uint32_t domid)
{
    uint64_t target;

    if (!read_number(xs, TARGET, domid, &target)) {
        return true;
    }
    return keep_target(xs, domid, target) && remove_node(xs, TARGET, domid);
}

/* ---- what it may have ---- */

static bool note_max_pages(struct xs_handle *xs, uint32_t domid,
                           uint64_t *pages, bool held)
{
    uint64_t kept;

    if (is_gone(xs, LIBXL, domid)) {
        return true; /* libxl does not know this domain */
    }
    if (held && read_number(xs, KEPT_MAX_PAGES, domid, &kept)) {
        *pages = kept;
        return true;
    }
    return write_number(xs, KEPT_MAX_PAGES, domid, *pages);
}

static bool allow_max_pages(struct xs_handle *xs, struct xlm_hypervisor *hv,
                            uint32_t domid)
{
    struct xlm_domain_info info;
    uint64_t kept;

    if (!read_number(xs, KEPT_MAX_PAGES, domid, &kept)) {
        return true;
    }
    if (!hv->ops->domain_info(hv, domid, &info) &&
        info.max_pages == XLM_HELD_PAGES &&
        hv->ops->set_max_pages(hv, domid, kept)) {
        return false;
    }
    return remove_node(xs, KEPT_MAX_PAGES, domid);
}

/* ---- the whole ---- */

static void say(xentoollog_logger *logger, bool done, uint32_t domid,
                const char *what)
{
    if (!done) {
        xtl_log(logger, XTL_WARN, errno, "light",
                "the memory of domain %" PRIu32
                " could not be %s: set it with xl mem-set",
                domid, what);
    }
}

void lm_memory_hold(struct xlm_hypervisor *hv, uint32_t domid, uint64_t *pages,
                    xentoollog_logger *logger)
{
    struct xs_handle *xs = xs_open(0);
    struct xlm_domain_info info;
    bool done =
        xs && !hv->ops->domain_info(hv, domid, &info) &&
        note_max_pages(xs, domid, pages, info.max_pages == XLM_HELD_PAGES) &&
        hold_target(xs, domid, info.tot_pages);

    say(logger, done, domid, "held");
    xs_close(xs);
}

void lm_memory_release(struct xlm_hypervisor *hv, uint32_t domid,
                       xentoollog_logger *logger)
{
    struct xs_handle *xs = xs_open(0);
    bool done =
        xs && allow_max_pages(xs, hv, domid) && put_target_back(xs, domid);

    say(logger, done, domid, "given back to its owner");
    xs_close(xs);
}

void lm_target_withhold(uint32_t domid, xentoollog_logger *logger)
{
    struct xs_handle *xs = xs_open(0);

    say(logger, xs && withhold_target(xs, domid), domid, "held");
    xs_close(xs);
}

void lm_target_give_back(uint32_t domid, xentoollog_logger *logger)
{
    struct xs_handle *xs = xs_open(0);

    say(logger, xs && put_target_back(xs, domid), domid,
        "given back to its owner");
    xs_close(xs);
}
