/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which release of Xen has which version of the toolstacks' interface.
 *
 * Domctls and sysctls carry the version that their caller was built with, and
 * a hypervisor with another version refuses all of them with EACCES.  The two
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

/* What a hypervisor says about itself, and how it took our calls. */
struct xlm_xen_found {
    uint32_t major;
    uint32_t minor;
    bool refuses; /* it refuses our interface version */
};

/* Long enough for any text of xlm_xen_explain(). */
#define XLM_XEN_TEXT_MAX 400

/*
 * Why a library built for `ours` cannot be used with the hypervisor that was
 * found, and what to do, in one line without its end.  False: it can be used,
 * and the text is not touched.
 */
bool xlm_xen_explain(const struct xlm_xen_interface *ours,
                     const struct xlm_xen_found *found,
                     char text[XLM_XEN_TEXT_MAX]);

#endif
