/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process of this program for one guest.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "utf8.h"

#define OUR_WORD "xl: "
#define NOT_FOUND 127

/* ---- starting ---- */

static void __attribute__((noreturn))
become(const char *program, char **words, int said_fd)
{
    int null_fd = open("/dev/null", O_RDONLY);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
        dup2(said_fd, STDOUT_FILENO) >= 0 &&
        dup2(said_fd, STDERR_FILENO) >= 0) {
        execv(program, words);
    }
    perror("xl: cannot run another process");
    _exit(NOT_FOUND);
}

int xl_child_start(struct xl_child *child, const char *program, char **words)
{
    int ends[2];

    *child = XL_NO_CHILD;
    if (pipe2(ends, O_CLOEXEC)) {
        return -1;
    }
    child->pid = fork();
    if (child->pid == 0) {
        become(program, words, ends[1]);
    }
    close(ends[1]);
    if (child->pid < 0) {
        close(ends[0]);
        child->pid = 0;
        return -1;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->fd = ends[0];
    return 0;
}

/* ---- listening ---- */

/* The oldest line makes room. */
static char *room_for_line(struct xl_child *child)
{
    if (child->nr_lines == XL_CHILD_LINES) {
        memmove(child->lines[0], child->lines[1],
                sizeof(child->lines) - sizeof(child->lines[0]));
        child->nr_lines--;
    }
    return child->lines[child->nr_lines++];
}

/* Tabs stand between the fields of what is not for people. */
static void keep_line(struct xl_child *child)
{
    char part[XL_CHILD_LINE_MAX], *rest, *field = child->line, *kept;
    size_t used = 0;

    child->line[child->length] = '\0';
    child->length = 0;
    if (!child->line[0]) {
        return;
    }
    kept = room_for_line(child);
    while (field) {
        rest = strchr(field, '\t');
        if (rest) {
            *rest++ = '\0';
        }
        lm_utf8_show(part, sizeof(part), field);
        used += snprintf(kept + used, XL_CHILD_LINE_MAX - used, "%s%s", part,
                         rest ? "\t" : "");
        field = used < XL_CHILD_LINE_MAX ? rest : NULL;
    }
}

static void take(struct xl_child *child, const char *octets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (octets[i] == '\n' || octets[i] == '\r') {
            keep_line(child);
        } else if (child->length < sizeof(child->line) - 1 && octets[i]) {
            child->line[child->length++] = octets[i];
        }
    }
}

static void stop_listening(struct xl_child *child)
{
    if (child->fd >= 0) {
        close(child->fd);
        child->fd = -1;
        keep_line(child);
    }
}

void xl_child_hear(struct xl_child *child)
{
    char octets[4096];
    ssize_t got;

    while (child->fd >= 0) {
        got = read(child->fd, octets, sizeof(octets));
        if (got > 0) {
            take(child, octets, got);
        } else if (got < 0 && errno == EAGAIN) {
            return;
        } else if (got == 0 || errno != EINTR) {
            stop_listening(child);
        }
    }
}

/* ---- the end ---- */

bool xl_child_has_ended(struct xl_child *child)
{
    pid_t got;

    if (!child->pid) {
        return false;
    }
    got = waitpid(child->pid, &child->status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) {
        return false;
    }
    if (got < 0) { /* it is not known how */
        child->status = SIGKILL;
    }
    child->pid = 0;
    xl_child_hear(child);
    stop_listening(child);
    return true;
}

int xl_child_exit(const struct xl_child *child)
{
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1;
}

const char *xl_child_why(const struct xl_child *child)
{
    static const char failed[] = "xl: Migration failed (";
    const char *first = "";

    for (size_t i = 0; i < child->nr_lines; i++) {
        const char *line = child->lines[i];
        const char *reason = strstr(line, "): ");

        if (!strncmp(line, failed, sizeof(failed) - 1) && reason) {
            return reason + 3;
        }
        if (!first[0] && !strncmp(line, OUR_WORD, sizeof(OUR_WORD) - 1)) {
            first = line + sizeof(OUR_WORD) - 1;
        }
    }
    return first;
}
