/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A second connection to the receiver, for the pages that the guest asks for.
 */
#ifndef XL_FAULT_CHANNEL_H
#define XL_FAULT_CHANNEL_H

#include <stdbool.h>

#include "sender.h"
#include "transport.h"

struct xl_fault_channel {
    struct xl_sender *sender;
    const char *connect; /* as given, for the shell; NULL: as the first was */
    char *command;
    struct xl_transport transport;
};

#define XL_FAULT_CHANNEL_NONE \
    ((struct xl_fault_channel){.transport = XL_TRANSPORT_CLOSED})

/* Have the library connect it when there is somebody to connect it with, as
 * the option that asks for it says.  0, or -1 having said why. */
int xl_fault_channel_want(struct xl_fault_channel *channel,
                          struct xl_sender *sender);
/* The migration is over.  Harmless when there is none. */
void xl_fault_channel_end(struct xl_fault_channel *channel);

#endif
