/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A list of processors, as xl.conf(5) and xl.cfg(5) write it (pure).
 */
#ifndef XL_CPU_LIST_H
#define XL_CPU_LIST_H

#include <stddef.h>
#include <stdint.h>

/* As libxl_bitmap has them: bit 0 of the first octet is processor 0. */
struct xl_cpu_set {
    uint8_t *map;
    size_t octets;
};

/* The set of one NUMA node's processors, which is the callee's and lasts until
 * the next call.  NULL: there is no such node. */
typedef const struct xl_cpu_set *xl_node_cpus(unsigned long node, void *data);

/*
 * Read "0-3,^1,node:1" or "all" into a set, which is empty at first.  What the
 * set has no room for are processors that the host does not have.  NULL, or
 * what is wrong with the list: then the set is undefined.
 */
const char *xl_cpu_list_read(const char *list, struct xl_cpu_set *set,
                             xl_node_cpus *node_cpus, void *data);

#endif
