/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_OCTETS 1024
#define STATE "the state of a device model"
#define FIRST_WITH_REASONS 6
#define FIRST_THAT_ABORTS 6

/* ---- lines ---- */

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        return; /* the client has gone */
    }
}

/* A command, and what was passed with it. */
static bool hear(struct fake_qemu *qemu, int fd, char line[LINE_MAX_OCTETS])
{
    size_t length = 0;
    char octet = 0;

    while (octet != '\n' && length + 1 < LINE_MAX_OCTETS) {
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec part = {&octet, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        struct cmsghdr *head;

        if (recvmsg(fd, &message, 0) <= 0) {
            return false;
        }
        head = CMSG_FIRSTHDR(&message);
        if (head && head->cmsg_type == SCM_RIGHTS) {
            memcpy(&qemu->fd, CMSG_DATA(head), sizeof(int));
        }
        line[length++] = octet;
    }
    line[length] = '\0';
    return true;
}

/* ---- commands; the answer is a line ---- */

static void answer_error(char *answer, size_t room, const char *text)
{
    snprintf(answer, room,
             "{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\n",
             text);
}

static void save(struct fake_qemu *qemu, const char *line)
{
    if (qemu->blocked) {
        qemu->dead = true; /* such a device cannot be saved */
        return;
    }
    qemu->saves++;
    if (write(qemu->fd, STATE, sizeof(STATE)) != sizeof(STATE)) {
        abort();
    }
    if (strstr(line, "\"live\": true") && !qemu->running) {
        qemu->let_go = true;
    }
}

static void load(struct fake_qemu *qemu)
{
    if (qemu->running ||
        (qemu->incoming && qemu->major >= FIRST_THAT_ABORTS)) {
        qemu->dead = true;
        return;
    }
    qemu->loads++;
}

static void answer_migrate(const struct fake_qemu *qemu, char *answer,
                           size_t room)
{
    char text[200];

    if (qemu->blocked) {
        snprintf(text, sizeof(text),
                 "State blocked by non-migratable device '%s'", qemu->blocked);
        answer_error(answer, room, text);
    } else {
        answer_error(answer, room,
                     qemu->format ? qemu->format
                                  : "Parameter 'uri' expects a valid "
                                    "migration protocol");
    }
}

static void answer_query_migrate(const struct fake_qemu *qemu, char *answer,
                                 size_t room)
{
    if (qemu->major < FIRST_WITH_REASONS ||
        (!qemu->blocked && !qemu->format)) {
        return;
    }
    snprintf(answer, room,
             "{\"return\": {\"blocked\": true, \"blocked-reasons\": "
             "[\"%s%s\"]}}\n",
             qemu->format ? "" : "non-migratable device: ",
             qemu->format ? qemu->format : qemu->blocked);
}

static bool is(const char *name, const char *other)
{
    return !strcmp(name, other);
}

static void obey(struct fake_qemu *qemu, const char *name, const char *line,
                 char *answer, size_t room)
{
    snprintf(answer, room, "{\"return\": {}}\n");
    if (is(name, "query-version")) {
        snprintf(answer, room,
                 "{\"return\": {\"qemu\": {\"micro\": 0, \"minor\": 2, "
                 "\"major\": %u}, \"package\": \"\"}}\n",
                 qemu->major);
    } else if (is(name, "query-status")) {
        snprintf(answer, room,
                 "{\"return\": {\"status\": \"%s\", \"running\": %s}}\n",
                 qemu->sleeps ? "suspended"
                              : (qemu->running ? "running" : "paused"),
                 qemu->running ? "true" : "false");
    } else if (is(name, "query-migrate")) {
        answer_query_migrate(qemu, answer, room);
    } else if (is(name, "migrate")) {
        answer_migrate(qemu, answer, room);
    } else if (is(name, "query-block")) {
        snprintf(answer, room, "{\"return\": [%s]}\n",
                 qemu->disks ? qemu->disks : "");
    } else if (is(name, "add-fd")) {
        snprintf(answer, room, "{\"return\": {\"fdset-id\": 1}}\n");
    } else if (is(name, "remove-fd")) {
        close(qemu->fd);
        qemu->fd = -1;
    } else if (is(name, "xen-save-devices-state")) {
        save(qemu, line);
    } else if (is(name, "xen-load-devices-state")) {
        load(qemu);
    } else if (is(name, "stop")) {
        qemu->running = false;
    } else if (is(name, "cont")) {
        if (qemu->sleeps) {
            return; /* whatever it has let go of */
        }
        qemu->running = true;
        qemu->let_go = false;
    } else if (is(name, "announce-self")) {
        qemu->announced++;
        qemu->announced_early += !atomic_load(&qemu->guest_runs);
    }
}

static void serve(struct fake_qemu *qemu, int fd)
{
    char line[LINE_MAX_OCTETS];
    char answer[LINE_MAX_OCTETS];
    char name[64];

    say(fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    while (hear(qemu, fd, line) &&
           sscanf(line, "{\"execute\": \"%63[^\"]", name) == 1) {
        strncat(qemu->heard, name,
                sizeof(qemu->heard) - strlen(qemu->heard) - 2);
        strcat(qemu->heard, " ");
        obey(qemu, name, line, answer, sizeof(answer));
        if (qemu->dead) {
            return;
        }
        say(fd, answer);
    }
}

static void *run(void *data)
{
    struct fake_qemu *qemu = data;
    int fd;

    while (!qemu->dead && (fd = accept(qemu->listener, NULL, NULL)) >= 0) {
        serve(qemu, fd);
        close(fd);
    }
    return NULL;
}

/* ---- from outside ---- */

void fake_qemu_start(struct fake_qemu *qemu, uint32_t domid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    qemu->domid = domid;
    qemu->fd = -1;
    snprintf(qemu->path, sizeof(qemu->path), LM_MONITORS "%u", domid);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", qemu->path);
    unlink(qemu->path);
    qemu->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(qemu->listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(qemu->listener, 1) ||
        pthread_create(&qemu->thread, NULL, run, qemu)) {
        abort();
    }
}

void fake_qemu_end(struct fake_qemu *qemu)
{
    shutdown(qemu->listener, SHUT_RDWR);
    pthread_join(qemu->thread, NULL);
    close(qemu->listener);
    if (qemu->fd >= 0) {
        close(qemu->fd);
    }
    unlink(qemu->path);
}
