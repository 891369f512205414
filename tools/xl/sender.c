/*
 * What xl migrate and xl migrate-recover have in common.
 */
#include "sender.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "rate.h"

int xl_take_signals(void)
{
    sigset_t signals;
    int fd;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        perror("xl: signalfd");
    }
    return fd;
}

uint64_t xl_rate_option(const char *text)
{
    uint64_t rate;
    const char *wrong = xl_parse_rate(text, &rate);

    /* Held from the start it would not begin. */
    if (wrong || !rate) {
        fprintf(stderr, "xl: --background-rate '%s': %s\n", text,
                wrong ? wrong : "nothing would ever be sent");
        exit(EXIT_FAILURE);
    }
    return rate;
}

int xl_destroy_source(struct xl_context *xl, uint32_t domid)
{
    int rc = libxl_domain_destroy(xl->ctx, domid, NULL);

    if (rc) {
        fprintf(stderr,
                "xl: The guest runs at the destination, but domain "
                "%u, its empty shell here, could not be destroyed "
                "(libxl error %d): use xl destroy\n",
                domid, rc);
        return -1;
    }
    return 0;
}
