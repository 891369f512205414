/* SPDX-License-Identifier: LGPL-2.1-or-later
 * PREPARE at the destination.
 */
#ifndef XLM_RESTORE_PREPARE_H
#define XLM_RESTORE_PREPARE_H

#include "restore/restorer.h"

/* POSTCOPY_PREPARE: have the domain built, become its pager, and answer. */
int xlm_restore_take_prepare(struct xlm_restorer *restorer);

#endif
