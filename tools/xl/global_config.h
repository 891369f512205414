/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl.conf(5), the file of the stock xl: what of it holds for a guest that is
 * received or started again, as it does with the stock one.
 */
#ifndef XL_GLOBAL_CONFIG_H
#define XL_GLOBAL_CONFIG_H

#include <stdbool.h>

#include "xl_context.h"

/* Whether domains may take their memory from dom0 (autoballoon). */
bool xl_global_autoballoon(struct xl_context *xl);

/* The file that xl locks while it makes a domain (lockfile), malloc()ed.
 * NULL: no memory. */
char *xl_global_lockfile(void);

/*
 * Keep the vCPUs of a configuration to the processors that guests of its type
 * may use (vm.cpumask, vm.hvm.cpumask).  Before the domain is built.  0, or -1
 * with a message on stderr: the guest must not be built then.
 */
int xl_global_restrict_cpus(struct xl_context *xl,
                            libxl_domain_config *config);

#endif
