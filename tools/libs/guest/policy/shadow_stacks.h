/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does the hypervisor run on supervisor shadow stacks (CET-SS)?
 *
 * Nothing says so outright.  When a vCPU finds the paging ring full, Xen puts
 * it to sleep on a wait queue, which moves its stack about.  With shadow
 * stacks that is a control protection fault, and the host panics (Xen 4.14 to
 * 4.20).
 */
#ifndef XLM_SHADOW_STACKS_H
#define XLM_SHADOW_STACKS_H

#include <stdbool.h>

/* Most vCPUs that a guest may have then: each has a slot of the ring, and one
 * slot stays for a program that maps a page from outside. */
#define XLM_SHADOW_STACKS_VCPUS 7

/*
 * Judge by what dom0 can learn: whether the processor has shadow stacks; the
 * hypervisor's capabilities ("xen-3.0-x86_32p ..."), because it runs no 32-bit
 * PV guest when it uses them; and its command line (cet=no-shstk).  True when
 * in doubt.
 */
bool xlm_shadow_stacks_in_use(bool processor_has_them,
                              const char *capabilities,
                              const char *command_line);

#endif
