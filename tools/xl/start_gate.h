/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl create and xl restore of a guest that is at another host, or on its way
 * there.
 */
#ifndef XL_START_GATE_H
#define XL_START_GATE_H

#include <stdbool.h>

#include "xl_context.h"

/* True: the command line would start a guest a second time, and a message says
 * so. argv[word] is the command. */
bool xl_gate_start(struct xl_context *xl, int word);

#endif
