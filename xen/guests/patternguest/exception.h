/* SPDX-License-Identifier: LGPL-2.1-or-later
 * An exception means a bug of this guest, or wrong contents of a page: the
 * guest prints that and stops.  The
 * interrupts that there are do nothing but end a halt.
 */
#ifndef EXCEPTION_H
#define EXCEPTION_H

#define VECTOR_TIMER 32u
#define VECTOR_KEPT 33u /* its end is not told to the APIC */
#define VECTOR_SPURIOUS 47u
#define VECTOR_EVENTS 0xf3u /* by which Xen tells of events, if it can */

/* Once, and then on each vCPU. */
void exceptions_prepare(void);
void exceptions_catch(void);

#endif
