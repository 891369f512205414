/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The thread sanitizer makes everything ten times as slow: where others go the
 * same ways in less time, a test is left out under it.
 */
#ifndef SLOW_H
#define SLOW_H

#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN 1
#define leave_out_under_tsan() skip()
#else
#define UNDER_TSAN 0
#define leave_out_under_tsan() ((void)0)
#endif

#endif
