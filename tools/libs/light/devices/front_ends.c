/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The front ends of a guest's disks and network interfaces, as xenstore has
 * them.
 */
#include "devices/front_ends.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#define NODE_PATH_MAX 160
#define DISTRUSTED "0"

/* Kinds whose back ends use the guest's pages directly. */
static const char *const kinds[] = {"vif", "vbd"};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- paths ---- */

static void kind_path(char path[NODE_PATH_MAX], uint32_t domid,
                      const char *kind)
{
    snprintf(path, NODE_PATH_MAX, "/local/domain/%" PRIu32 "/device/%s", domid,
             kind);
}

static void trusted_path(char path[NODE_PATH_MAX], uint32_t domid,
                         const char *kind, const char *device)
{
    snprintf(path, NODE_PATH_MAX,
             "/local/domain/%" PRIu32 "/device/%s/%s/trusted", domid, kind,
             device);
}

/* A place where only dom0 writes, and that goes with the domain. */
static void kept_path(char path[NODE_PATH_MAX], uint32_t domid,
                      const char *kind, const char *device)
{
    snprintf(path, NODE_PATH_MAX,
             "/libxl/%" PRIu32 "/live-migrate-trusted%s%s"
             "%s%s",
             domid, kind ? "/" : "", kind ? kind : "", device ? "/" : "",
             device ? device : "");
}

/* ---- nodes ---- */

static bool write_text(struct xs_handle *xs, const char *path,
                       const char *value)
{
    return xs_write(xs, XBT_NULL, path, value, strlen(value));
}

/* "" when there is no such node: no such node is ever empty. */
static void read_text(struct xs_handle *xs, const char *path, char text[16])
{
    unsigned int length;
    char *value = xs_read(xs, XBT_NULL, path, &length);

    snprintf(text, 16, "%s", value ? value : "");
    free(value);
}

/* For each device of a kind below a path, until one fails. */
static bool for_each(struct xs_handle *xs, uint32_t domid, const char *kind,
                     const char *below,
                     bool (*run)(struct xs_handle *xs, uint32_t domid,
                                 const char *kind, const char *device))
{
    unsigned int count = 0;
    char **devices = xs_directory(xs, XBT_NULL, below, &count);
    bool done = devices || errno == ENOENT;

    for (unsigned int i = 0; devices && done && i < count; i++) {
        done = run(xs, domid, kind, devices[i]);
    }
    free(devices);
    return done;
}

/* ---- distrust ---- */

/* Keep the value before it is changed, so that nothing is lost when this
 * process is killed. */
static bool distrust(struct xs_handle *xs, uint32_t domid, const char *kind,
                     const char *device)
{
    char path[NODE_PATH_MAX], kept[NODE_PATH_MAX], before[16];

    trusted_path(path, domid, kind, device);
    kept_path(kept, domid, kind, device);
    read_text(xs, path, before);
    return write_text(xs, kept, before) && write_text(xs, path, DISTRUSTED);
}

static bool distrust_kind(struct xs_handle *xs, uint32_t domid,
                          const char *kind)
{
    char path[NODE_PATH_MAX];

    kind_path(path, domid, kind);
    return for_each(xs, domid, kind, path, distrust);
}

int lm_front_ends_distrust(struct xlm_context *xlm, uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    bool done = xs;

    for (size_t i = 0; done && i < NR_KINDS; i++) {
        done = distrust_kind(xs, domid, kinds[i]);
    }
    if (!done) {
        xlm_fail(xlm,
                 "the guest's disks and network interfaces could not be told "
                 "in xenstore to copy what they send: %s",
                 strerror(errno));
    }
    xs_close(xs);
    return done ? 0 : -1;
}

/* ---- trust ---- */

/* Not for a device that was taken away meanwhile: its node would come back and
 * belong to nothing. */
static bool trust(struct xs_handle *xs, uint32_t domid, const char *kind,
                  const char *device)
{
    char path[NODE_PATH_MAX], kept[NODE_PATH_MAX], before[16], now[16];

    trusted_path(path, domid, kind, device);
    kept_path(kept, domid, kind, device);
    read_text(xs, kept, before);
    read_text(xs, path, now);
    if (!now[0]) {
        return true;
    }
    return before[0] ? write_text(xs, path, before)
                     : xs_rm(xs, XBT_NULL, path);
}

void lm_front_ends_trust(xentoollog_logger *logger, uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    char path[NODE_PATH_MAX];
    bool done = xs;

    for (size_t i = 0; done && i < NR_KINDS; i++) {
        kept_path(path, domid, kinds[i], NULL);
        done = for_each(xs, domid, kinds[i], path, trust);
    }
    kept_path(path, domid, NULL, NULL);
    done = done && (xs_rm(xs, XBT_NULL, path) || errno == ENOENT);
    if (!done) {
        xtl_log(logger, XTL_WARN, errno, "light",
                "the disks and network interfaces of domain %" PRIu32
                " go on copying what they send",
                domid);
    }
    xs_close(xs);
}
