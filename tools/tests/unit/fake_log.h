/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A logger for tests: silent, unless XLM_TEST_LOG is in the environment.
 */
#ifndef FAKE_LOG_H
#define FAKE_LOG_H

#include <xentoollog.h>

#include "xlm.h"

xentoollog_logger *fake_logger(void);

#endif
