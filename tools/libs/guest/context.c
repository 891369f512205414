/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The reason of the first failure.
 */
#include "context.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void xlm_restate(struct xlm_context *ctx, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&ctx->reason_lock);
    va_start(args, format);
    vsnprintf(ctx->reason, sizeof(ctx->reason), format, args);
    va_end(args);
    pthread_mutex_unlock(&ctx->reason_lock);
}

void xlm_forget_failure(struct xlm_context *ctx)
{
    pthread_mutex_lock(&ctx->reason_lock);
    ctx->reason[0] = '\0';
    pthread_mutex_unlock(&ctx->reason_lock);
}

void xlm_note_failure(struct xlm_context *ctx, const char *format, ...)
{
    int saved_errno = errno;
    char text[XLM_REASON_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* Later failures are mostly consequences of the first one. */
    pthread_mutex_lock(&ctx->reason_lock);
    if (!ctx->reason[0]) {
        memcpy(ctx->reason, text, sizeof(ctx->reason));
    }
    pthread_mutex_unlock(&ctx->reason_lock);
    xtl_log(ctx->logger, XTL_DEBUG, -1, "xlm", "%s", text);
    errno = saved_errno;
}
