/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The stock libxl builds the domain, in a thread of its own, from a pipe.
 *
 * lm_builder_start         the thread enters libxl_domain_create_restore()
 * lm_builder_feed          octets of the stream, as they come
 * lm_builder_await_domain  libxl has read all of them: the domain exists
 * lm_builder_feed
 * lm_builder_await_fed     libxl has read all of them and wants more
 * lm_builder_hold          not for long: libxl waits meanwhile
 * lm_builder_finish        the stream's END; joins the thread
 * or lm_builder_poll       the same, up to a time-out
 *
 * lm_builder_abandon() may come at any point.
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
    LM_BUILDER_RUNNING, /* the thread exists */
    LM_BUILDER_BUILT,   /* joined: the domain exists, paused */
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
    /* the domain withheld while libxl waited; INVALID_DOMID: none */
    uint32_t held;
    bool holds;           /* that domain is still withheld */
    sigset_t signal_mask; /* the caller's, for the thread */
    /* Written by the thread; read once it is joined. */
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
/* Feed libxl nothing for a while, and withhold its domain, of this number,
 * from all programs that use libxl.  The next feed gives the domain back
 * first, because libxl itself reads the type when it starts devices, and when
 * it fails. */
void lm_builder_hold(struct lm_builder *builder, uint32_t domid);
int lm_builder_finish(struct lm_builder *builder);
/* 1: the domain is built; 0: not yet, call again; -1: failed. */
int lm_builder_poll(struct lm_builder *builder, int timeout_ms);

/* Make the thread give up if it runs, and destroy the domain if it has been
 * built.  0, or a libxl error: something may be left. */
int lm_builder_abandon(struct lm_builder *builder);

#endif
