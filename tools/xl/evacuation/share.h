/* SPDX-License-Identifier: LGPL-2.1-or-later
 * One link for many guests: which part of the limit the background of each
 * guest may have.  Pure.
 *
 * The sum of the parts is never above the limit: other guests are lowered
 * before one is started or raised.  Pages that a guest requests do not count,
 * and never wait for any of this.
 */
#ifndef XL_SHARE_H
#define XL_SHARE_H

#include "evacuees.h"

/* The rate that the next guest begins with; false: other guests have to be
 * lowered first. */
bool xl_share_to_start(const struct xl_evacuation *evacuation, uint64_t *rate);

/* Is a guest to be lowered now, or raised?  *action has which, and its rate.
 */
bool xl_share_lower(const struct xl_evacuation *evacuation,
                    struct xl_action *action);
bool xl_share_raise(const struct xl_evacuation *evacuation,
                    struct xl_action *action);

#endif
