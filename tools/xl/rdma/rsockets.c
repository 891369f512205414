/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The calls of rsockets, from librdmacm.
 */
#include "rsockets.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "librdmacm.so.1"

/* 0; or -1: the library has no such call. */
static int find(void *library, const char *name, void *call)
{
    void *found = dlsym(library, name);

    /* C has no cast from a pointer to an object to one to a function. */
    memcpy(call, &found, sizeof(found));
    return found ? 0 : -1;
}

int xl_rsockets_load(struct xl_rsockets *calls, char why[XL_RDMA_WHY_MAX])
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    int missing = 0;

    if (!library) {
        snprintf(why, XL_RDMA_WHY_MAX,
                 "this host has no " LIBRARY ": install librdmacm "
                 "(and its devices' providers, in Debian ibverbs-providers)");
        return -1;
    }
#define XL_RSOCKETS_FIND(type, name, arguments) \
    missing |= find(library, "r" #name, &calls->name);
    XL_RSOCKETS(XL_RSOCKETS_FIND)
#undef XL_RSOCKETS_FIND
    if (missing) {
        snprintf(why, XL_RDMA_WHY_MAX,
                 "the " LIBRARY " of this host has no rsockets: install one "
                 "of rdma-core");
    }
    return missing;
}
