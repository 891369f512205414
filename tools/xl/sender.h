/*
 * What xl migrate and xl migrate-recover have in common: options, the
 * connection to the other host, and what is said when it fails.
 */
#ifndef XL_SENDER_H
#define XL_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "libxl_live_migrate.h"
#include "progress.h"
#include "transport.h"
#include "xl.h"

struct xl_sender {
    struct xl_context *xl;
    const char *usage; /* of the command */
    /* As given. */
    const char *domain;
    const char *host;
    const char *ssh_command;
    const char *rate_text; /* NULL: not given, as below */
    const char *link_timeout_text;
    bool json;
    libxl_live_migrate_params params;
    /* Made of these. */
    uint32_t domid;
    char *command;
    int abort_fd;
    struct xl_transport transport;
    struct xl_progress progress;
};

/* ---- options ---- */

enum {
    XL_SENDER_RATE = 0x200,
    XL_SENDER_LINK_TIMEOUT,
    XL_SENDER_JSON,
};

/* Those that both commands have: the last rows of their tables.  Of one letter
 * there are XL_SENDER_LETTERS. */
#define XL_SENDER_OPTIONS \
    {"background-rate", required_argument, NULL, XL_SENDER_RATE}, \
        {"link-timeout", required_argument, NULL, XL_SENDER_LINK_TIMEOUT}, \
        {"json", no_argument, NULL, XL_SENDER_JSON}, \
        {"help", no_argument, NULL, 'h'}, \
    { \
        NULL, 0, NULL, 0 \
    }
#define XL_SENDER_LETTERS "s:h"

void xl_sender_init(struct xl_sender *sender, struct xl_context *xl,
                    const char *usage);
/* Take one of these as getopt_long() returned it.  Ends the process when it is
 * none of them, after the usage. */
void xl_sender_option(struct xl_sender *sender, int option);
/* Take what is left of the command line, a domain and a host; or ends the
 * process. */
void xl_sender_arguments(struct xl_sender *sender, int argc, char **argv);

/* ---- the connection ---- */

/* These return 0, or -1 having said why. */

/* libxl, and a hypervisor that the library can be used with. */
int xl_sender_open(struct xl_sender *sender);
/* Ctrl-C, SIGTERM and SIGHUP become something that can be waited for, as they
 * stop a migration only as long as that is safe. */
int xl_sender_take_signals(struct xl_sender *sender);
/* A receiver on the host, with these options (each with a blank before it), is
 * there and has said so. */
int xl_sender_connect(struct xl_sender *sender, const char *receive_options);
/* Have the library show the progress of this guest; the name must stay. */
void xl_sender_show(struct xl_sender *sender, const char *name);
/* Everything is at the destination, which has said so. */
int xl_sender_destroy_source(struct xl_sender *sender);

/* Ends a line that says what has failed with why, as the library and then the
 * connection, which has ended, have it. */
void xl_sender_say_why(const struct xl_sender *sender,
                       const libxl_live_migrate_result *result);

/* The command that recovers this guest, from a shell here; to be freed, NULL:
 * no memory. */
char *xl_sender_recovery(const struct xl_sender *sender, const char *name);
/* A line for people that has it, and one about the other end where this is not
 * for ssh to start. */
void xl_sender_say_recovery(const struct xl_sender *sender);

/* Harmless at any time after xl_sender_init(). */
void xl_sender_close(struct xl_sender *sender);

#endif
