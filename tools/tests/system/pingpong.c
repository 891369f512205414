/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long does one page take there and back over an idle link?
 *
 *     pingpong COUNT COMMAND    sends COUNT questions to the other end of
 *     COMMAND; prints the times as JSON
 *     pingpong -                answers, on stdin and stdout
 *
 * For the lab: a question has the size of a request for one page, an answer
 * that of the page.  COMMAND is a piece of shell, started as xl starts its
 * transport, so that the way is the same: `ssh HOST pingpong -`.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/wire.h"

/* A record with one pfn each; the answer has the page as well. */
#define LIST_SIZE \
    (sizeof(struct xlm_wire_record_header) + 2 * sizeof(uint64_t))
#define QUESTION_SIZE LIST_SIZE
#define ANSWER_SIZE (LIST_SIZE + XLM_PAGE_SIZE)

/* The first questions find cold caches, and do not count. */
#define COUNT_FIRST 20
#define COUNT_MAX 1000000

static uint8_t question[QUESTION_SIZE], answer[ANSWER_SIZE];

/* 0; 1 at the end of the stream before the first octet; -1. */
static int read_all(int fd, uint8_t *buffer, size_t size)
{
    size_t done = 0;
    ssize_t got;

    while (done < size) {
        got = read(fd, buffer + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 && done == 0 ? 1 : -1;
        }
        done += got;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *buffer, size_t size)
{
    size_t done = 0;
    ssize_t put;

    while (done < size) {
        put = write(fd, buffer + done, size - done);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        done += put > 0 ? put : 0;
    }
    return 0;
}

static int answer_all(void)
{
    int rc;

    while (!(rc = read_all(STDIN_FILENO, question, sizeof(question)))) {
        if (write_all(STDOUT_FILENO, answer, sizeof(answer))) {
            return -1;
        }
    }
    return rc == 1 ? 0 : -1;
}

/* This end of the command's stdin and stdout; -1. */
static int start(const char *command, pid_t *out_pid)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        return -1;
    }
    *out_pid = fork();
    if (*out_pid == 0) {
        if (dup2(pair[1], STDIN_FILENO) >= 0 &&
            dup2(pair[1], STDOUT_FILENO) >= 0) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    close(pair[1]);
    return pair[0];
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static int ask(int fd, double *us)
{
    double start_us = now_us();

    if (write_all(fd, question, sizeof(question)) ||
        read_all(fd, answer, sizeof(answer))) {
        return -1;
    }
    *us = now_us() - start_us;
    return 0;
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

static int ask_all(int fd, size_t count, double *times)
{
    size_t i;

    for (i = 0; i < COUNT_FIRST; i++) {
        if (ask(fd, &times[0])) {
            return -1;
        }
    }
    for (i = 0; i < count; i++) {
        if (ask(fd, &times[i])) {
            return -1;
        }
    }
    qsort(times, count, sizeof(*times), compare);
    printf("{\"count\": %zu, \"median_us\": %.1f, \"p99_us\": %.1f, "
           "\"most_us\": %.1f}\n",
           count, times[count / 2], times[count * 99 / 100], times[count - 1]);
    return 0;
}

int main(int argc, char **argv)
{
    size_t count = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    double *times;
    pid_t pid = 0;
    int fd, rc;

    if (argc == 2 && !strcmp(argv[1], "-")) {
        return answer_all() ? 1 : 0;
    }
    if (!count || count > COUNT_MAX) {
        fputs("usage: pingpong COUNT COMMAND | pingpong -\n", stderr);
        return 2;
    }
    times = calloc(count, sizeof(*times));
    fd = times ? start(argv[2], &pid) : -1;
    if (fd < 0 || pid < 0) {
        perror("pingpong");
        free(times);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN); /* what ask_all() returns says it */
    rc = ask_all(fd, count, times);
    if (rc) {
        fprintf(stderr,
                "pingpong: '%s' does not answer: is pingpong at its "
                "other end?\n",
                argv[2]);
    }
    close(fd);
    waitpid(pid, NULL, 0);
    free(times);
    return rc ? 1 : 0;
}
