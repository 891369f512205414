/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The transports between xl and the network, at native speed: plain TCP, TLS
 * by the kernel and by a relay, and any command, ssh for instance.
 *
 *     transports tcp|tls|ktls MIB
 *     transports command MIB COMMAND   COMMAND has "transports peer" on its
 *                                      stdin and stdout, wherever that runs
 *     transports peer
 *
 * One process sends MIB MiB to its peer, in batches as the engine does, and
 * then asks for page after page.  It prints its results as one JSON object.
 * All but the command use TCP on the loopback.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "die.h"
#include "fake_tls.h"
#include "tcp.h"

#define BATCH (4u << 20)
#define REQUEST 64
#define PAGE 4096
#define PINGS 2000

struct ends {
    int in, out;
};

/* ---- what is sent ---- */

static void write_all(int fd, const char *octets, size_t length)
{
    while (length) {
        ssize_t put = write(fd, octets, length);

        if (put < 0) {
            die("sending: %s", strerror(errno));
        }
        octets += put;
        length -= put;
    }
}

static void read_all(int fd, char *octets, size_t length)
{
    while (length) {
        ssize_t got = read(fd, octets, length);

        if (got <= 0) {
            die("receiving: %s", got ? strerror(errno) : "the end");
        }
        octets += got;
        length -= got;
    }
}

static char *make_buffer(void)
{
    char *buffer = malloc(BATCH);

    if (!buffer) {
        die("no memory");
    }
    memset(buffer, 1, BATCH);
    return buffer;
}

/* Takes so many batches as the first word says, says that it has them, and
 * answers requests. */
static int run_peer(struct ends ends)
{
    char *buffer = make_buffer();
    uint64_t batches;

    read_all(ends.in, (char *)&batches, sizeof(batches));
    for (uint64_t i = 0; i < batches; i++) {
        read_all(ends.in, buffer, BATCH);
    }
    write_all(ends.out, buffer, 1);
    for (int i = 0; i < PINGS; i++) {
        read_all(ends.in, buffer, REQUEST);
        write_all(ends.out, buffer, PAGE);
    }
    free(buffer);
    return 0;
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

static double cpu_seconds(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Into the report; its end is printed when the processes have ended. */
static void measure(struct ends ends, uint64_t mib)
{
    uint64_t batches = (mib << 20) / BATCH, times[PINGS];
    char *buffer = make_buffer();
    uint64_t start = xlm_now_us();

    write_all(ends.out, (char *)&batches, sizeof(batches));
    for (uint64_t i = 0; i < batches; i++) {
        write_all(ends.out, buffer, BATCH);
    }
    read_all(ends.in, buffer, 1);
    printf("{\"mib\": %" PRIu64 ", \"seconds\": %.6f", mib,
           (xlm_now_us() - start) / 1e6);
    for (int i = 0; i < PINGS; i++) {
        start = xlm_now_us();
        write_all(ends.out, buffer, REQUEST);
        read_all(ends.in, buffer, PAGE);
        times[i] = xlm_now_us() - start;
    }
    qsort(times, PINGS, sizeof(times[0]), compare);
    printf(", \"page_median_us\": %" PRIu64 ", \"page_p99_us\": %" PRIu64,
           times[PINGS / 2], times[PINGS * 99 / 100]);
    free(buffer);
}

static void print_end(void)
{
    while (wait(NULL) > 0) {
        continue;
    }
    printf(", \"cpu_s\": %.6f}\n",
           cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN));
}

/* ---- transports ---- */

/* As the processes of xl do: an end opens the connection, and either gives it
 * to the kernel or has a process between.  Returns what is plain. */
static int open_end(struct fake_end *end)
{
    int plain[2];

    if (xl_tls_open(&end->tls, end->fd, &end->wishes)) {
        die("TLS: %s", end->tls.why);
    }
    if (end->wishes.kernel) {
        if (!end->tls.for_kernel ||
            xl_tls_kernel_take(end->tls.session, end->fd)) {
            die("this kernel has no TLS");
        }
        return end->fd;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, plain)) {
        die("socketpair: %s", strerror(errno));
    }
    if (!fork()) {
        close(plain[0]);
        _exit(xl_tls_relay(&end->tls, plain[1], plain[1],
                           XL_TLS_REKEY_OCTETS) != XL_TLS_ENDED);
    }
    close(plain[1]);
    close(end->fd);
    return plain[0];
}

static void measure_loopback(const char *how, uint64_t mib)
{
    struct fake_tls *tls = fake_tls_new();
    bool plain = !strcmp(how, "tcp");
    struct ends ends;
    int fd;

    fake_tls_load(tls);
    tls->client.wishes.kernel = tls->server.wishes.kernel =
        !strcmp(how, "ktls");
    xl_tcp_tune(tls->client.fd);
    xl_tcp_tune(tls->server.fd);
    if (!fork()) {
        close(tls->client.fd);
        fd = plain ? tls->server.fd : open_end(&tls->server);
        _exit(run_peer((struct ends){fd, fd}));
    }
    close(tls->server.fd);
    tls->server.fd = -1;
    fd = plain ? tls->client.fd : open_end(&tls->client);
    ends = (struct ends){fd, fd};
    measure(ends, mib);
    close(fd);
    tls->client.fd = -1;
    fake_directory_remove(tls->client.directory);
    fake_directory_remove(tls->server.directory);
}

static void measure_command(const char *command, uint64_t mib)
{
    int plain[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, plain)) {
        die("socketpair: %s", strerror(errno));
    }
    if (!fork()) {
        close(plain[0]);
        dup2(plain[1], STDIN_FILENO);
        dup2(plain[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(plain[1]);
    measure((struct ends){plain[0], plain[0]}, mib);
    close(plain[0]);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(how, "peer")) {
        return run_peer((struct ends){STDIN_FILENO, STDOUT_FILENO});
    }
    if (argc == 4 && mib && !strcmp(how, "command")) {
        measure_command(argv[3], mib);
    } else if (argc == 3 && mib &&
               (!strcmp(how, "tcp") || !strcmp(how, "tls") ||
                !strcmp(how, "ktls"))) {
        measure_loopback(how, mib);
    } else {
        die("usage: transports tcp|tls|ktls MIB, or command MIB COMMAND, or "
            "peer");
    }
    print_end();
    return 0;
}
