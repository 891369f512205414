/* SPDX-License-Identifier: LGPL-2.1-or-later
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

/* What the receiver tells the guard, in one write each. */
struct xl_guard_word {
    char what;
    uint32_t domid;
};
#define XL_GUARD_RELEASED 'R' /* the guard may end */
#define XL_GUARD_OURS 'O'     /* the guest runs here, or is about to */

static void __attribute__((noreturn))
become_guard(int read_fd, const char *incoming_name)
{
    /* The guard must survive the end of the receiver's session. */
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

/* EPIPE: the guard is gone. */
static void tell(const struct xl_guard *guard, struct xl_guard_word word)
{
    while (write(guard->fd, &word, sizeof(word)) < 0 && errno == EINTR) {
        continue;
    }
}

void xl_guard_tell_ours(const struct xl_guard *guard, uint32_t domid)
{
    if (guard->fd >= 0) {
        tell(guard, (struct xl_guard_word){XL_GUARD_OURS, domid});
    }
}

void xl_guard_release(struct xl_guard *guard)
{
    if (guard->fd < 0) {
        return;
    }
    tell(guard, (struct xl_guard_word){.what = XL_GUARD_RELEASED});
    close(guard->fd);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
    *guard = XL_GUARD_NONE;
}

/* ---- the guard itself ---- */

/* True: the receiver died, and *last is the last word it sent, if any. */
static bool receiver_died(struct xl_guard_word *last)
{
    struct xl_guard_word word;
    ssize_t got;

    do {
        got = read(STDIN_FILENO, &word, sizeof(word));
        if (got == sizeof(word)) {
            *last = word;
        }
    } while (got == sizeof(word) ? word.what != XL_GUARD_RELEASED
                                 : got < 0 && errno == EINTR);
    return got == 0;
}

static int clean_up_after_go(struct xl_context *xl, uint32_t domid)
{
    int rc = libxl_domain_live_migrate_receive_end_paging(xl->ctx, domid);

    fprintf(stderr,
            "xl: destination: the receiver of domain %u was killed: run xl "
            "migrate-recover at the source to bring the missing memory%s\n",
            domid, rc ? " (libxl failed here: see its messages)" : "");
    return rc;
}

static int destroy_leftover(struct xl_context *xl, const char *name)
{
    uint32_t domid;
    int rc;

    if (libxl_name_to_domid(xl->ctx, name, &domid)) {
        return 0; /* the receiver died before that */
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
    struct xl_guard_word last = {.what = 0};
    int rc;

    signal(SIGPIPE, SIG_IGN); /* the ssh that carries stderr may be gone */
    /* Open it now: later there may be little time. */
    if (xl_context_open(xl)) {
        return EXIT_FAILURE;
    }
    if (!receiver_died(&last)) {
        return EXIT_SUCCESS;
    }
    rc = last.what == XL_GUARD_OURS ? clean_up_after_go(xl, last.domid)
                                    : destroy_leftover(xl, name);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
