/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between xl and a connection.
 */
#include "carrier.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

void xl_carrier_become(const char *name)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};

    prctl(PR_SET_NAME, name);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        signal(ignored[i], SIG_IGN);
    }
}
