/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Devices of a guest whose front ends are not known to copy.
 */
#include "devices/exposure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#define NODE_PATH_MAX 200
#define NODE_TEXT_MAX 120
#define CONNECTED "4" /* XenbusStateConnected */

/* Kinds of front end that hand over the guest's pages.  Others copy to and
 * from rings that they have had from the beginning, or map pages once, by the
 * device model, which can wait. */
static const char *const kinds[] = {"vif",  "vbd",  "vscsi",
                                    "vusb", "vsnd", "vdispl"};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- which front end it is ---- */

const char *lm_exposed_because(const struct lm_front_end *front_end)
{
    bool network = !strcmp(front_end->kind, "vif");

    if (!network && strcmp(front_end->kind, "vbd")) {
        return "no driver of such a device copies";
    }
    if (front_end->windows) {
        return "Windows' drivers do not copy";
    }
    if (network && !front_end->xdp_headroom &&
        front_end->xdp_headroom_wanted) {
        return "it is no Linux, or an older one than 5.9";
    }
    if (network && !front_end->xdp_headroom && !front_end->gso_tcpv6) {
        return "it is no Linux";
    }
    if (!network && !front_end->persistent) {
        return "it is no Linux, or a very old one";
    }
    return NULL;
}

/* ---- what xenstore has ---- */

struct look {
    struct xs_handle *xs;
    uint32_t domid;
    bool windows;
};

/* NULL when there is no such node; the caller must free it. */
static char *read_node(const struct look *look, const char *top,
                       const char *node)
{
    char path[NODE_PATH_MAX];
    unsigned int length;

    snprintf(path, sizeof(path), "%s/%s", top, node);
    return xs_read(look->xs, XBT_NULL, path, &length);
}

static bool has_node(const struct look *look, const char *top,
                     const char *node)
{
    char *value = read_node(look, top, node);
    bool found = value != NULL;

    free(value);
    return found;
}

static bool says(const struct look *look, const char *top, const char *node,
                 const char *wanted)
{
    char *value = read_node(look, top, node);
    bool same = value && !strcmp(value, wanted);

    free(value);
    return same;
}

/* Windows' bus driver lists the drivers below `drivers`; other systems list
 * none. */
static bool is_windows(const struct look *look)
{
    char path[NODE_PATH_MAX];
    unsigned int count = 0;
    char **drivers;

    snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/drivers",
             look->domid);
    drivers = xs_directory(look->xs, XBT_NULL, path, &count);
    free(drivers);
    return count;
}

static bool back_end_can(const struct look *look, const char *top,
                         const char *feature)
{
    char *back_end = read_node(look, top, "backend");
    bool can = back_end && says(look, back_end, feature, "1");

    free(back_end);
    return can;
}

/* Why that front end is exposed; NULL: it is not, or is not connected. */
static const char *look_at(const struct look *look, const char *kind,
                           const char *device)
{
    struct lm_front_end front_end = {.kind = kind, .windows = look->windows};
    char top[NODE_PATH_MAX / 2];

    snprintf(top, sizeof(top), "/local/domain/%" PRIu32 "/device/%s/%.40s",
             look->domid, kind, device);
    if (!says(look, top, "state", CONNECTED)) {
        return NULL;
    }
    front_end.xdp_headroom = has_node(look, top, "xdp-headroom");
    front_end.xdp_headroom_wanted =
        back_end_can(look, top, "feature-xdp-headroom");
    front_end.gso_tcpv6 = has_node(look, top, "feature-gso-tcpv6");
    front_end.persistent = has_node(look, top, "feature-persistent");
    return lm_exposed_because(&front_end);
}

/* 1: one of them is exposed, and the text says why; 0: none; -1: errno. */
static int look_at_kind(const struct look *look, const char *kind,
                        char text[NODE_TEXT_MAX])
{
    char path[NODE_PATH_MAX];
    unsigned int count = 0;
    const char *why = NULL;
    char **devices;

    snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/device/%s",
             look->domid, kind);
    devices = xs_directory(look->xs, XBT_NULL, path, &count);
    if (!devices) {
        return errno == ENOENT ? 0 : -1;
    }
    for (unsigned int i = 0; !why && i < count; i++) {
        why = look_at(look, kind, devices[i]);
        if (why) {
            snprintf(text, NODE_TEXT_MAX, "%s %.20s: %s", kind, devices[i],
                     why);
        }
    }
    free(devices);
    return why != NULL;
}

static int look_at_all(uint32_t domid, char text[NODE_TEXT_MAX])
{
    struct look look = {.xs = xs_open(0), .domid = domid};
    int found = look.xs ? 0 : -1;

    if (look.xs) {
        look.windows = is_windows(&look);
    }
    for (size_t i = 0; !found && i < NR_KINDS; i++) {
        found = look_at_kind(&look, kinds[i], text);
    }
    if (found < 0) {
        snprintf(text, NODE_TEXT_MAX, "xenstore: %s", strerror(errno));
    }
    xs_close(look.xs);
    return found;
}

/* ---- the check ---- */

int lm_check_exposure(struct xlm_context *xlm, uint32_t domid,
                      const char *name, bool allowed)
{
    char text[NODE_TEXT_MAX];

    if (!look_at_all(domid, text)) {
        return 0;
    }
    if (!allowed) {
        errno = EOPNOTSUPP;
        return xlm_fail(
            xlm,
            "a device of %s is not known to copy what it sends (%s), so back "
            "ends in dom0 would have to wait for its memory, which can stop "
            "dom0's network or break a disk: use xl migrate without "
            "--postcopy, or give --allow-exposed-backends",
            name, text);
    }
    xtl_log(xlm->logger, XTL_WARN, -1, "light",
            "a device of %s is not known to copy what it sends (%s): until "
            "its memory is whole, the destination's dom0 can lose its "
            "network, and the guest can have I/O errors when the link is cut "
            "for half a minute",
            name, text);
    return 0;
}
