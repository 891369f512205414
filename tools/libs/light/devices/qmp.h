/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection to the monitor of a QEMU (QMP).
 *
 * QEMU serves one connection at a time, and libxl needs the same one: connect,
 * say what must be said, and close.
 */
#ifndef LM_QMP_H
#define LM_QMP_H

#include <stdbool.h>
#include <stdint.h>

#include <yajl/yajl_tree.h>

#include "xlm.h"

struct lm_qmp {
    struct xlm_context *xlm;
    int fd;
    int abort_fd;   /* readable: the call gives up; -1: never */
    int timeout_ms; /* limit for one answer, and for the greeting */
    /* Input: a line begins at `begin`, and more may follow it. */
    char *buffer;
    size_t room;
    size_t begin;
    size_t end;
    yajl_val answer; /* to the last command */
};

#define LM_QMP_TIMEOUT_MS 30000

#define LM_QMP_CLOSED ((struct lm_qmp){.fd = -1, .abort_fd = -1})

/* These return 0, or -1 with errno and the reason in the context. */

/* `qmp` must be LM_QMP_CLOSED.  The caller must close it, also after
 * failure. */
int lm_qmp_connect(struct lm_qmp *qmp, struct xlm_context *xlm,
                   const char *path, int abort_fd, int timeout_ms);
/* The same with the QEMU that libxl has started for a domain. */
int lm_qmp_connect_domain(struct lm_qmp *qmp, struct xlm_context *xlm,
                          uint32_t domid, int abort_fd);
/* Does the domain have such a QEMU? */
bool lm_qmp_is_there(uint32_t domid);
void lm_qmp_close(struct lm_qmp *qmp);

/*
 * Run a command and wait for its answer, skipping all events.  `arguments` is
 * a JSON object, or NULL. pass_fd goes along, for add-fd; -1: none.
 */
int lm_qmp_execute(struct lm_qmp *qmp, const char *command,
                   const char *arguments, int pass_fd);
/* A number in the last answer. */
int lm_qmp_number(struct lm_qmp *qmp, const char *name, long long *number);
/* The return value of the last answer, or with `name` a member of it; NULL:
 * there is none of that type.  Valid until the next command. */
yajl_val lm_qmp_value(const struct lm_qmp *qmp, const char *name,
                      yajl_type type);

#endif
