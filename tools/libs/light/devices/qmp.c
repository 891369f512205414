/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection to the monitor of a QEMU (QMP).
 *
 * Each message is a JSON object on a line of its own.  QEMU sends a greeting,
 * expects qmp_capabilities first, and answers commands in their order; events
 * may come between any two messages.
 */
#include "devices/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "json_bounds.h"
#include "utf8.h"
#include "xen_directories.h"

/* No message for this library is nearly as long. */
#define LINE_MAX_OCTETS (256u << 10)
#define READ_OCTETS 4096u

/* libxl puts the monitor of each QEMU there; the domain's number follows. */
#ifndef LM_MONITORS
#define LM_MONITORS XEN_RUN_DIR "/qmp-libxl-"
#endif
#define LM_MONITOR_PATH_MAX 128

static int fail(struct lm_qmp *qmp, int error, const char *what)
{
    errno = error;
    return xlm_fail(qmp->xlm, "the device model (QEMU) %s", what);
}

/* ---- octets ---- */

/* Wait until the socket is ready, the caller gives up, or the time is over. */
static int await(struct lm_qmp *qmp, short events, uint64_t deadline_us)
{
    struct pollfd pollers[2] = {
        {.fd = qmp->fd, .events = events},
        {.fd = qmp->abort_fd, .events = POLLIN},
    };

    for (;;) {
        uint64_t now = xlm_now_us();
        int rc = 0;

        if (now < deadline_us) {
            rc = poll(pollers, 2, (deadline_us - now) / 1000 + 1);
        }
        if (rc < 0 && errno != EINTR) {
            return fail(qmp, errno, "cannot be waited for");
        }
        if (rc > 0 && pollers[1].revents) {
            errno = ECANCELED;
            return xlm_fail(qmp->xlm, "aborted on request");
        }
        if (rc > 0) {
            return 0;
        }
        if (!rc) {
            return fail(qmp, ETIMEDOUT, "does not answer");
        }
    }
}

static int make_room(struct lm_qmp *qmp)
{
    size_t kept = qmp->end - qmp->begin;
    char *buffer;

    if (kept) {
        memmove(qmp->buffer, qmp->buffer + qmp->begin, kept);
    }
    qmp->begin = 0;
    qmp->end = kept;
    if (qmp->room - kept >= READ_OCTETS) {
        return 0;
    }
    if (kept > LINE_MAX_OCTETS) {
        return fail(qmp, EPROTO, "sends a message without end");
    }
    buffer = realloc(qmp->buffer, 2 * kept + READ_OCTETS);
    if (!buffer) {
        return fail(qmp, ENOMEM, "says more than there is memory for");
    }
    qmp->buffer = buffer;
    qmp->room = 2 * kept + READ_OCTETS;
    return 0;
}

static int read_more(struct lm_qmp *qmp, uint64_t deadline_us)
{
    ssize_t got;

    if (make_room(qmp)) {
        return -1;
    }
    do {
        if (await(qmp, POLLIN, deadline_us)) {
            return -1;
        }
        got = read(qmp->fd, qmp->buffer + qmp->end, qmp->room - qmp->end);
    } while (got < 0 && (errno == EAGAIN || errno == EINTR));
    if (got < 0) {
        return fail(qmp, errno, "has broken the connection to its monitor");
    }
    if (!got) {
        return fail(qmp, ECONNRESET, "has closed its monitor");
    }
    qmp->end += got;
    return 0;
}

/* The next line, ended with a zero; valid until more is read. */
static int read_line(struct lm_qmp *qmp, uint64_t deadline_us, char **line)
{
    size_t seen = 0;
    char *newline;

    if (!qmp->buffer && read_more(qmp, deadline_us)) {
        return -1;
    }
    for (;;) {
        char *begin = qmp->buffer + qmp->begin;
        size_t length = qmp->end - qmp->begin;

        newline =
            length > seen ? memchr(begin + seen, '\n', length - seen) : NULL;
        if (newline) {
            break;
        }
        seen = length;
        if (read_more(qmp, deadline_us)) {
            return -1;
        }
    }
    *newline = '\0';
    *line = qmp->buffer + qmp->begin;
    qmp->begin = newline + 1 - qmp->buffer;
    return 0;
}

/* The descriptor goes along with the first octet. */
static ssize_t send_some(struct lm_qmp *qmp, const char *text, size_t length,
                         int pass_fd)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {.space = {0}};
    struct iovec part = {(char *)text, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (pass_fd >= 0) {
        struct cmsghdr *head = &control.aligned;

        message.msg_control = &control;
        message.msg_controllen = sizeof(control.space);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &pass_fd, sizeof(int));
    }
    return sendmsg(qmp->fd, &message, MSG_NOSIGNAL);
}

static int send_text(struct lm_qmp *qmp, const char *text, int pass_fd,
                     uint64_t deadline_us)
{
    size_t left = strlen(text);

    while (left) {
        ssize_t sent = send_some(qmp, text, left, pass_fd);

        if (sent > 0) {
            text += sent;
            left -= sent;
            pass_fd = -1;
        } else if (errno == EAGAIN) {
            if (await(qmp, POLLOUT, deadline_us)) {
                return -1;
            }
        } else if (errno != EINTR) {
            return fail(qmp, errno, "has closed its monitor");
        }
    }
    return 0;
}

/* ---- messages ---- */

static const char *string_in(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};

    return YAJL_GET_STRING(yajl_tree_get(object, path, yajl_t_string));
}

static yajl_val member(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};

    return yajl_tree_get(object, path, yajl_t_any);
}

static int read_message(struct lm_qmp *qmp, uint64_t deadline_us,
                        yajl_val *message)
{
    char error[128];
    char *line;

    *message = NULL;
    if (read_line(qmp, deadline_us, &line)) {
        return -1;
    }
    if (lm_json_problem(line, strlen(line))) {
        return fail(qmp, EPROTO, "sends what is not a message");
    }
    *message = yajl_tree_parse(line, error, sizeof(error));
    if (!YAJL_IS_OBJECT(*message)) {
        yajl_tree_free(*message);
        *message = NULL;
        return fail(qmp, EPROTO, "sends what is not a message");
    }
    return 0;
}

/* The next message that is not an event. */
static int read_answer(struct lm_qmp *qmp, uint64_t deadline_us,
                       yajl_val *message)
{
    for (;;) {
        if (read_message(qmp, deadline_us, message)) {
            return -1;
        }
        if (!member(*message, "event")) {
            return 0;
        }
        yajl_tree_free(*message);
    }
}

/* An error answer in QEMU's own words, made printable. */
static int fail_refused(struct lm_qmp *qmp, const char *command,
                        yajl_val error)
{
    const char *words = string_in(error, "desc");
    char text[200];

    lm_utf8_show(text, sizeof(text), words ? words : "no reason given");
    errno = EREMOTEIO;
    return xlm_fail(qmp->xlm, "the device model (QEMU) refuses %s: %s",
                    command, text);
}

static uint64_t deadline(const struct lm_qmp *qmp)
{
    return xlm_now_us() + qmp->timeout_ms * 1000ULL;
}

int lm_qmp_execute(struct lm_qmp *qmp, const char *command,
                   const char *arguments, int pass_fd)
{
    uint64_t until = deadline(qmp);
    yajl_val error;
    char *text;
    int rc;

    yajl_tree_free(qmp->answer);
    qmp->answer = NULL;
    if (asprintf(&text, "{\"execute\": \"%s\"%s%s}\n", command,
                 arguments ? ", \"arguments\": " : "",
                 arguments ? arguments : "") < 0) {
        return fail(qmp, ENOMEM, "cannot be asked: no memory");
    }
    rc = send_text(qmp, text, pass_fd, until);
    free(text);
    if (rc || read_answer(qmp, until, &qmp->answer)) {
        return -1;
    }
    error = member(qmp->answer, "error");
    if (error) {
        return fail_refused(qmp, command, error);
    }
    if (!member(qmp->answer, "return")) {
        return fail(qmp, EPROTO, "gives an answer that cannot be understood");
    }
    return 0;
}

int lm_qmp_number(struct lm_qmp *qmp, const char *name, long long *number)
{
    const char *path[] = {"return", name, NULL};
    yajl_val value = yajl_tree_get(qmp->answer, path, yajl_t_number);

    if (!YAJL_IS_INTEGER(value)) {
        return fail(qmp, EPROTO, "leaves a number out of its answer");
    }
    *number = YAJL_GET_INTEGER(value);
    return 0;
}

yajl_val lm_qmp_value(const struct lm_qmp *qmp, const char *name,
                      yajl_type type)
{
    const char *path[] = {"return", name, NULL};

    return yajl_tree_get(qmp->answer, path, type);
}

/* ---- connecting ---- */

static int open_socket(struct lm_qmp *qmp, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        return fail(qmp, ENAMETOOLONG, "has a monitor of too long a name");
    }
    strcpy(address.sun_path, path);
    qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (qmp->fd < 0) {
        return fail(qmp, errno, "cannot be reached: no socket");
    }
    if (connect(qmp->fd, (struct sockaddr *)&address, sizeof(address)) ||
        fcntl(qmp->fd, F_SETFL, O_NONBLOCK)) {
        return fail(qmp, errno, "cannot be reached at its monitor");
    }
    return 0;
}

/* While QEMU serves another client the greeting does not come. */
static int take_greeting(struct lm_qmp *qmp)
{
    yajl_val greeting;
    yajl_val version;

    if (read_answer(qmp, deadline(qmp), &greeting)) {
        return -1;
    }
    version = member(greeting, "QMP");
    yajl_tree_free(greeting);
    return version ? 0 : fail(qmp, EPROTO, "does not greet as a monitor");
}

int lm_qmp_connect(struct lm_qmp *qmp, struct xlm_context *xlm,
                   const char *path, int abort_fd, int timeout_ms)
{
    qmp->xlm = xlm;
    qmp->abort_fd = abort_fd;
    qmp->timeout_ms = timeout_ms;
    if (open_socket(qmp, path) || take_greeting(qmp)) {
        return -1;
    }
    return lm_qmp_execute(qmp, "qmp_capabilities", NULL, -1);
}

static void monitor_path(uint32_t domid, char path[LM_MONITOR_PATH_MAX])
{
    snprintf(path, LM_MONITOR_PATH_MAX, LM_MONITORS "%" PRIu32, domid);
}

int lm_qmp_connect_domain(struct lm_qmp *qmp, struct xlm_context *xlm,
                          uint32_t domid, int abort_fd)
{
    char path[LM_MONITOR_PATH_MAX];

    monitor_path(domid, path);
    return lm_qmp_connect(qmp, xlm, path, abort_fd, LM_QMP_TIMEOUT_MS);
}

bool lm_qmp_is_there(uint32_t domid)
{
    char path[LM_MONITOR_PATH_MAX];

    monitor_path(domid, path);
    return !access(path, F_OK);
}

void lm_qmp_close(struct lm_qmp *qmp)
{
    if (qmp->fd >= 0) {
        close(qmp->fd);
    }
    free(qmp->buffer);
    yajl_tree_free(qmp->answer);
    *qmp = LM_QMP_CLOSED;
}
