/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_log.h"

#include <stdio.h>
#include <stdlib.h>

static void print_message(xentoollog_logger *logger, xentoollog_level level,
                          int errnoval, const char *context,
                          const char *format, va_list args)
{
    (void)logger;
    (void)errnoval;
    if (!getenv("XLM_TEST_LOG")) {
        return;
    }
    fprintf(stderr, "%s: %s: ", xtl_level_to_string(level),
            context ? context : "-");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

static void no_progress(xentoollog_logger *logger, const char *context,
                        const char *doing, int percent, unsigned long done,
                        unsigned long total)
{
    (void)logger;
    (void)context;
    (void)doing;
    (void)percent;
    (void)done;
    (void)total;
}

static void no_destroy(xentoollog_logger *logger)
{
    (void)logger;
}

xentoollog_logger *fake_logger(void)
{
    static xentoollog_logger logger = {
        .vmessage = print_message,
        .progress = no_progress,
        .destroy = no_destroy,
    };

    return &logger;
}
