/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Commands of the stock xl, where they are about a guest that moves: handed
 * over or refused by the table in part_commands.h.
 */
#ifndef XL_PART_GATE_H
#define XL_PART_GATE_H

#include <stdint.h>

#include "part_commands.h"
#include "xl_context.h"

/* Hand the command line to the stock xl, or say why not.  argv[word] is the
 * command, argv[argc] NULL.  Returns an exit status, and only when the stock
 * xl does not take the place of this process. */
int xl_gate_stock(struct xl_context *xl, int word);

/* A command of ours that moves a domain, in place of the stock xl's: 0, or -1
 * after having said why not. */
int xl_gate_move(struct xl_context *xl, uint32_t domid);

/* How the migration of a domain goes on after a failure: kept with the domain
 * here, so that others can say it. */
void xl_gate_keep_recovery(struct xl_context *xl, uint32_t domid,
                           const char *command);
/* To be freed; NULL: nothing is kept. */
char *xl_gate_recovery(struct xl_context *xl, uint32_t domid);

#endif
