/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long a test may take before an alarm ends it.  That is for what hangs
 * and no measure of time: the machine may have any amount of other work.
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#define WATCHDOG_SECONDS 600

#endif
