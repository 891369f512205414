/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which release of Xen has which versions of the interface that toolstacks
 * use.
 *
 * Domctls and sysctls carry the version that their caller was built with, and
 * a hypervisor that has another one refuses all of them with EACCES.  Both
 * versions together tell the releases apart.
 */
#ifndef XLM_XEN_RELEASE_H
#define XLM_XEN_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* XEN_DOMCTL_INTERFACE_VERSION and XEN_SYSCTL_INTERFACE_VERSION. */
struct xlm_xen_interface {
    uint32_t domctl;
    uint32_t sysctl;
};

/* What a hypervisor says of itself, and how it took our calls. */
struct xlm_xen_found {
    uint32_t major;
    uint32_t minor;
    bool refuses; /* calls of our interface */
};

/* Long enough for any text of xlm_xen_explain(). */
#define XLM_XEN_TEXT_MAX 400

/*
 * Why a library that was built for `ours` cannot be used with the hypervisor
 * that was found, and what to do, in a line without its end.  False: it can
 * be, and the text stays untouched.
 */
bool xlm_xen_explain(const struct xlm_xen_interface *ours,
                     const struct xlm_xen_found *found,
                     char text[XLM_XEN_TEXT_MAX]);

#endif
