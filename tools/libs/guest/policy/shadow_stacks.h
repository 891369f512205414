/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does the hypervisor run on supervisor shadow stacks (CET-SS)?
 *
 * Nothing says so outright.  A vCPU that finds the paging ring full is put to
 * sleep on a wait queue, which moves its stack about; with shadow stacks that
 * is a control protection fault, and the host panics (Xen 4.14 to 4.20).
 */
#ifndef XLM_SHADOW_STACKS_H
#define XLM_SHADOW_STACKS_H

#include <stdbool.h>

/* As many vCPUs may wait for pages at the same time as the ring has room for,
 * with one place left for whoever maps a page of the guest from outside. */
#define XLM_SHADOW_STACKS_VCPUS 7

/*
 * By what dom0 can learn: the processor has them; the hypervisor's
 * capabilities
 * ("xen-3.0-x86_32p ..."), as it runs no 32-bit PV guest when it uses them;
 * and its command line (cet=no-shstk).  True when in doubt.
 */
bool xlm_shadow_stacks_in_use(bool processor_has_them,
                              const char *capabilities,
                              const char *command_line);

#endif
