/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Releases of Xen, and the explanation when one cannot be used.
 */
#include "policy/release.h"

#include <inttypes.h>
#include <stdio.h>

#define NELEMS(array) (sizeof(array) / sizeof((array)[0]))

/* All of major version 4.  Add a release once hypervisor/xen_compat.c was
 * tested with its headers. */
static const struct release {
    uint32_t minor;
    struct xlm_xen_interface interface;
} releases[] = {
    {14, {.domctl = 0x12, .sysctl = 0x13}},
    {15, {.domctl = 0x13, .sysctl = 0x13}},
    {16, {.domctl = 0x14, .sysctl = 0x14}},
    {17, {.domctl = 0x15, .sysctl = 0x15}},
    {18, {.domctl = 0x16, .sysctl = 0x15}},
    {19, {.domctl = 0x17, .sysctl = 0x15}},
    {20, {.domctl = 0x17, .sysctl = 0x15}},
    {21, {.domctl = 0x17, .sysctl = 0x16}},
    {22, {.domctl = 0x18, .sysctl = 0x16}},
};

static bool same(const struct xlm_xen_interface *a,
                 const struct xlm_xen_interface *b)
{
    return a->domctl == b->domctl && a->sysctl == b->sysctl;
}

static const struct release *first_with(
    const struct xlm_xen_interface *interface)
{
    for (size_t i = 0; i < NELEMS(releases); i++) {
        if (same(&releases[i].interface, interface)) {
            return &releases[i];
        }
    }
    return NULL;
}

static const struct release *of_version(uint32_t major, uint32_t minor)
{
    for (size_t i = 0; i < NELEMS(releases); i++) {
        if (major == 4 && releases[i].minor == minor) {
            return &releases[i];
        }
    }
    return NULL;
}

/* "Xen 4.17", or "Xen 4.19 to 4.20" if several have the same interface. */
static void name_releases(const struct release *first, char *name,
                          size_t length)
{
    const struct release *last = first;

    while (last + 1 < releases + NELEMS(releases) &&
           same(&last[1].interface, &first->interface)) {
        last++;
    }
    if (last == first) {
        snprintf(name, length, "Xen 4.%" PRIu32, first->minor);
    } else {
        snprintf(name, length, "Xen 4.%" PRIu32 " to 4.%" PRIu32, first->minor,
                 last->minor);
    }
}

static void explain_build(const struct xlm_xen_interface *ours,
                          const struct xlm_xen_found *found, char *text)
{
    snprintf(
        text, XLM_XEN_TEXT_MAX,
        "this program was built for a Xen that it does not know (domctl "
        "interface %#" PRIx32 ", sysctl %#" PRIx32 "), and this host runs "
        "Xen %" PRIu32 ".%" PRIu32 ": known are Xen 4.%" PRIu32
        " to 4.%" PRIu32 ": build it with the headers of one of these, or "
        "install a version of it that knows the other",
        ours->domctl, ours->sysctl, found->major, found->minor,
        releases[0].minor, releases[NELEMS(releases) - 1].minor);
}

static void explain_host(const struct release *built,
                         const struct xlm_xen_found *found, char *text)
{
    const struct release *here = of_version(found->major, found->minor);
    char name[40];

    name_releases(built, name, sizeof(name));
    if (here && !same(&here->interface, &built->interface)) {
        snprintf(text, XLM_XEN_TEXT_MAX,
                 "this host runs Xen %" PRIu32 ".%" PRIu32
                 " (domctl interface %#" PRIx32 ", sysctl %#" PRIx32
                 "), and this program was built for %s (%#" PRIx32
                 ", %#" PRIx32 "): install the one that was built for Xen "
                 "%" PRIu32 ".%" PRIu32 ", or boot %s",
                 found->major, found->minor, here->interface.domctl,
                 here->interface.sysctl, name, built->interface.domctl,
                 built->interface.sysctl, found->major, found->minor, name);
        return;
    }
    snprintf(text, XLM_XEN_TEXT_MAX,
             "this host runs a Xen %" PRIu32 ".%" PRIu32
             " whose interface is not known, and which refuses that of %s "
             "(domctl %#" PRIx32 ", sysctl %#" PRIx32
             "), for which this program was built: known are Xen 4.%" PRIu32
             " to 4.%" PRIu32
             ": boot %s, or install a version of this program "
             "that knows the Xen here",
             found->major, found->minor, name, built->interface.domctl,
             built->interface.sysctl, releases[0].minor,
             releases[NELEMS(releases) - 1].minor, name);
}

bool xlm_xen_explain(const struct xlm_xen_interface *ours,
                     const struct xlm_xen_found *found,
                     char text[XLM_XEN_TEXT_MAX])
{
    const struct release *built = first_with(ours);

    if (!built) {
        explain_build(ours, found, text);
        return true;
    }
    if (found->refuses) {
        explain_host(built, found, text);
    }
    return found->refuses;
}
