/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The stock libxl builds the domain, in a thread of its own, from a pipe.
 *
 *   lm_builder_start         the thread enters libxl_domain_create_restore()
 *   lm_builder_feed          bytes of the stream, as they come
 *   lm_builder_await_domain  all was taken: the domain exists
 *   lm_builder_feed
 *   lm_builder_await_fed     all was taken, and more is to come; at any time
 *   lm_builder_hold          not for long: libxl waits for it
 *   lm_builder_finish        the stream's END; the thread is joined
 *   or lm_builder_poll       the same, until it takes too long
 *
 * or at any point lm_builder_abandon().
 */
#ifndef LM_BUILDER_H
#define LM_BUILDER_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxl.h>

#include "xlm.h"

enum lm_builder_state {
    LM_BUILDER_IDLE,
    LM_BUILDER_RUNNING, /* the thread is there */
    LM_BUILDER_BUILT,   /* joined: the domain is there, paused */
    LM_BUILDER_FAILED,  /* joined: libxl has removed what it had built */
};

struct lm_builder {
    libxl_ctx *ctx;
    libxl_domain_config *config;
    struct xlm_context *xlm;
    enum lm_builder_state state;
    int feed_fd; /* ours, the write end */
    int take_fd; /* the thread's */
    int done_fd; /* readable once the thread has done its work */
    pthread_t thread;
    uint32_t held; /* was withheld while libxl waited; INVALID_DOMID: none */
    bool holds;    /* it still is */
    sigset_t signal_mask; /* for the thread: that of our caller */
    /* Written by the thread, to be read once it is joined. */
    uint32_t domid;
    int rc;
};

/* The ctx, the configuration and the context must outlive the builder. */
void lm_builder_init(struct lm_builder *builder, libxl_ctx *ctx,
                     libxl_domain_config *config, struct xlm_context *xlm,
                     const sigset_t *signal_mask);

/* These return 0, or -1 with the reason in the context. */
int lm_builder_start(struct lm_builder *builder);
int lm_builder_feed(struct lm_builder *builder, const void *bytes,
                    size_t length);
int lm_builder_await_domain(struct lm_builder *builder, uint32_t *domid);
int lm_builder_await_fed(struct lm_builder *builder);
/* libxl gets nothing for a while: its domain, of this number, is kept from all
 * programs that use libxl.  The next feed gives it back first, as libxl itself
 * looks at the type when it starts devices, and when it fails. */
void lm_builder_hold(struct lm_builder *builder, uint32_t domid);
int lm_builder_finish(struct lm_builder *builder);
/* 1: the domain is built; 0: not yet, call again; -1. */
int lm_builder_poll(struct lm_builder *builder, int timeout_ms);

/* Make the thread give up when it runs, and destroy the domain when it has
 * been built: 0, or a libxl error when there may be something left. */
int lm_builder_abandon(struct lm_builder *builder);

#endif
