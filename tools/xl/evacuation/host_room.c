/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Both ends of the question what room a host has.
 */
#include "host_room.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "global_config.h"
#include "finding.h"
#include "libxl_live_migrate.h"
#include "prologue.h"
#include "room.h"
#include "sender.h"

/* libxl leaves a dom0 this much. */
#define DOM0_KEEPS_KB (128 * 1024)
#define ANSWER_SECONDS 30

/* ---- at the host that is asked ---- */

static int look(struct xl_context *xl, struct xl_room *room)
{
    uint64_t dom0_kb;

    *room = (struct xl_room){.free_kb = 0};
    if (libxl_get_free_memory(xl->ctx, &room->free_kb)) {
        return -1;
    }
    if (xl_global_autoballoon(xl) &&
        !libxl_get_memory_target(xl->ctx, 0, &dom0_kb) &&
        dom0_kb > DOM0_KEEPS_KB) {
        room->more_kb = dom0_kb - DOM0_KEEPS_KB;
    }
    return 0;
}

int xl_host_room_answer(struct xl_context *xl, int fd)
{
    FILE *to = fdopen(dup(fd), "w");
    libxl_live_migrate_receive_params params;
    libxl_live_migrate_readiness ready;
    struct xl_room room;

    if (!to) {
        return -1;
    }
    libxl_live_migrate_receive_params_init(&params);
    params.logger = xl->logger;
    if (libxl_live_migrate_can_receive(xl->ctx, NULL, &params, &ready)) {
        xl_finding_put(to, XL_VERDICT_NO,
                       libxl_live_migrate_obstacle_to_string(ready.obstacle),
                       ready.reason);
    } else if (look(xl, &room)) {
        xl_finding_put(to, XL_VERDICT_NO, "memory",
                       "the free memory of the host cannot be read");
    } else {
        xl_room_put(to, &room);
    }
    fputs(XL_FINDINGS_END, to);
    return fclose(to) ? -1 : 0;
}

/* ---- at the source ---- */

static int ask(struct xl_sender *sender)
{
    struct xl_save_header header;

    xl_room_ask(&header);
    return libxl_write_exactly(sender->xl->ctx, sender->transport.send_fd,
                               &header, sizeof(header), "connection",
                               "question");
}

/* Until the other host closes the connection. */
static int pass_on(int fd)
{
    const uint64_t deadline = xl_deadline(ANSWER_SECONDS);
    char octet;

    while (!xl_read_until(fd, &octet, 1, deadline)) {
        putchar(octet);
    }
    fflush(stdout);
    return errno == ECONNRESET ? 0 : -1;
}

static int ask_host(struct xl_sender *sender)
{
    char *options;
    int ret;

    if (xl_sender_open(sender) || xl_sender_take_signals(sender)) {
        return -1;
    }
    options = xl_options_for_receiver(&sender->options);
    ret = options ? xl_sender_connect(sender, options) : -1;
    free(options);
    if (ret || ask(sender)) {
        return -1;
    }
    return pass_on(sender->transport.recv_fd);
}

int xl_main_host_room(struct xl_context *xl, int argc, char **argv)
{
    struct xl_sender sender;
    int status, ret;

    if (!xl_sender_read(&sender, xl, XL_COMMAND_MIGRATE, argc, argv,
                        &status)) {
        return EXIT_FAILURE;
    }
    ret = ask_host(&sender);
    xl_sender_close(&sender);
    return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
