/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guest goes to which host: by the room that each host has named, less
 * what is on its way there already.  Pure.
 */
#ifndef XL_PLACEMENT_H
#define XL_PLACEMENT_H

#include "evacuees.h"

/*
 * Choose a host for each guest that waits to be moved: anew for all of them.
 * The guests are spread over the hosts; where some guest would find no room so
 * and does when others are packed closer, they are packed.  A guest that finds
 * none keeps XL_NO_HOST.
 */
void xl_place(struct xl_evacuation *evacuation);

/* Why a guest found none. */
void xl_place_explain(const struct xl_evacuation *evacuation,
                      const struct xl_guest *guest, char why[XL_WHY_MAX]);

#endif
