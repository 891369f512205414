/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fault channel: a second connection to the receiver, for requested pages.
 */
#ifndef XL_FAULT_CHANNEL_H
#define XL_FAULT_CHANNEL_H

#include <stdbool.h>

#include "sender.h"
#include "transport.h"

struct xl_fault_channel {
    struct xl_sender *sender;
    /* the option's argument, for the shell; NULL: as the first was */
    const char *connect;
    char *command;
    struct xl_transport transport;
};

#define XL_FAULT_CHANNEL_NONE \
    ((struct xl_fault_channel){.transport = XL_TRANSPORT_CLOSED})

/* If the option asks for a fault channel and there is a way to connect one,
 * have the library connect it.  0, or -1 with a message on stderr. */
int xl_fault_channel_want(struct xl_fault_channel *channel,
                          struct xl_sender *sender);
/* Call when the migration is over.  Harmless when there is none. */
void xl_fault_channel_end(struct xl_fault_channel *channel);

#endif
