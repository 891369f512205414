/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Commands of the stock xl about a guest that moves: passed on or refused by
 * the table in part_commands.h.
 */
#ifndef XL_PART_GATE_H
#define XL_PART_GATE_H

#include <stdint.h>

#include "part_commands.h"
#include "xl_context.h"

/* Pass the command line on to the stock xl, or print why not. argv[word] is
 * the command, argv[argc] NULL.  Returns an exit status; does not return when
 * the stock xl takes the place of this process. */
int xl_gate_stock(struct xl_context *xl, int word);

/* May a command of this project move the domain?  0, or -1 with a message on
 * stderr. */
int xl_gate_move(struct xl_context *xl, uint32_t domid);

/* Keep, with the domain here, the command that recovers its migration, so that
 * other programs can show it, and the host that it goes to. */
void xl_gate_keep_recovery(struct xl_context *xl, uint32_t domid,
                           const char *command, const char *host);
/* Read that command, or that host, which the caller must free; NULL: there is
 * none. */
char *xl_gate_recovery(struct xl_context *xl, uint32_t domid);
char *xl_gate_host(struct xl_context *xl, uint32_t domid);

#endif
