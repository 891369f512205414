/*
 * A process that cleans up after a receiver that was killed.
 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"

#define XL_GUARD_RELEASED 'R'

static void __attribute__((noreturn))
become_guard(int read_fd, const char *incoming_name)
{
    /* What ends the receiver's session must not end the guard as well. */
    setsid();
    if (dup2(read_fd, STDIN_FILENO) >= 0) {
        execl("/proc/self/exe", "xl", "incoming-guard", "--postcopy",
              incoming_name, (char *)NULL);
    }
    _exit(EXIT_FAILURE);
}

int xl_guard_start(struct xl_guard *guard, const char *incoming_name)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC)) {
        fprintf(stderr, "xl: cannot make a pipe: %s\n", strerror(errno));
        return -1;
    }
    guard->pid = fork();
    if (guard->pid == 0) {
        become_guard(ends[0], incoming_name);
    }
    close(ends[0]);
    guard->fd = ends[1];
    if (guard->pid < 0) {
        fprintf(stderr, "xl: cannot start a process: %s\n", strerror(errno));
        close(guard->fd);
        *guard = XL_GUARD_NONE;
        return -1;
    }
    return 0;
}

void xl_guard_release(struct xl_guard *guard)
{
    const char word = XL_GUARD_RELEASED;

    if (guard->fd < 0) {
        return;
    }
    /* EPIPE: it is gone, which is what we want. */
    while (write(guard->fd, &word, 1) < 0 && errno == EINTR) {
        continue;
    }
    close(guard->fd);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
    *guard = XL_GUARD_NONE;
}

/* ---- the guard itself ---- */

static bool receiver_died(void)
{
    char word;
    ssize_t got;

    do {
        got = read(STDIN_FILENO, &word, 1);
    } while (got < 0 && errno == EINTR);
    return got == 0;
}

static int destroy_leftover(struct xl_context *xl, const char *name)
{
    uint32_t domid;
    int rc;

    if (libxl_name_to_domid(xl->ctx, name, &domid)) {
        return 0; /* it did not come so far */
    }
    rc = libxl_domain_live_migrate_receive_clean_up(xl->ctx, domid);
    fprintf(stderr,
            "xl: destination: the receiver was killed, its unfinished "
            "%s has been destroyed%s\n",
            name, rc ? ", or not: libxl failed" : "");
    return rc;
}

int xl_main_guard(struct xl_context *xl, int argc, char **argv)
{
    const char *name = argv[argc - 1];

    signal(SIGPIPE, SIG_IGN); /* the ssh that carries stderr may be gone */
    if (!receiver_died()) {
        return EXIT_SUCCESS;
    }
    if (xl_context_open(xl) || destroy_leftover(xl, name)) {
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
