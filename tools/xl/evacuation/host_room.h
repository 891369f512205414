/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Both ends of the question what room a host has.
 */
#ifndef XL_HOST_ROOM_H
#define XL_HOST_ROOM_H

#include "xl_context.h"

/* At the host that is asked: write what it has to the descriptor.  0, or
 * -1. */
int xl_host_room_answer(struct xl_context *xl, int fd);

#define XL_HOST_ROOM "host-room"

/* At the source, a command for this program itself, with the options of xl
 * migrate: asks the host, and writes its findings to stdout. */
int xl_main_host_room(struct xl_context *xl, int argc, char **argv);

#endif
