/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the stock xl's commands would do to a part of a guest that moves.
 */
#include "part_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_PER_MIB 256u
#define MIB (1024 * 1024)

/* ---- the table ---- */

/* The columns: moving, shell, incoming, arriving. */
#define A XL_ALLOWED
#define F XL_FORCED
#define R XL_REFUSED

#define SENT_ALREADY \
    "what the destination was told of the guest would not be true any more"
#define CANNOT_STOP "the guest could not be stopped for its move"
#define COPY_AND_END \
    "it would end a guest that the destination is about to take over"
#define READS_A_PART \
    "it would read the missing memory as empty, and then end the domain"
#define OF_A_GUEST "it is for a guest that runs, and this does not run"
#define MEMORY_CHANGES \
    "memory that has not come can be neither taken away nor added to"
#define DEVICE_COMES \
    "a device may not work on memory that has not come; nothing of this " \
    "domain is in use before it runs"

#define DEVICE(name, arriving) \
    { \
        name, "", false, {R, R, R, arriving}, SENT_ALREADY, DEVICE_COMES \
    }
#define DEVICES(kind) DEVICE(kind "-attach", R), DEVICE(kind "-detach", A)

const struct xl_part_command xl_part_commands[] = {
    /* Commands that read, copy or move it. */
    {"save", "", false, {R, R, R, R}, COPY_AND_END, READS_A_PART},
    {"migrate", "Cs", false, {R, R, R, R}, COPY_AND_END, READS_A_PART},
    {"remus", "isN", false, {R, R, R, R}, COPY_AND_END, READS_A_PART},
    {"suspend", "", false, {R, R, R, R}, CANNOT_STOP, OF_A_GUEST},
    {"dump-core",
     "",
     false,
     {A, F, R, R},
     NULL,
     "the dump would not show the guest as it is: of a guest that was handed "
     "over it shows the state of that moment, and missing memory is not in "
     "it"},
    /* Commands that end it. */
    {"destroy",
     "",
     false,
     {A, F, F, F},
     NULL,
     "it would lose a guest that runs, or break off its move"},
    {"shutdown", "", true, {A, R, R, A}, NULL, OF_A_GUEST},
    {"reboot", "", true, {A, R, R, A}, NULL, OF_A_GUEST},
    {"trigger", "", false, {A, R, R, A}, NULL, OF_A_GUEST},
    {"sysrq", "", false, {A, R, R, A}, NULL, OF_A_GUEST},
    /* Commands that stop it or let it run. */
    {"pause", "", false, {A, R, R, A}, NULL, OF_A_GUEST},
    {"unpause",
     "",
     false,
     {A, R, R, A},
     NULL,
     "the guest would run twice, or from memory that is not there"},
    {"resume",
     "",
     false,
     {R, R, R, A},
     "it may be stopped for its move at this moment, and would run twice",
     "the guest would run twice, or from memory that is not there"},
    /* Commands that change it. */
    {"vcpu-set", "", false, {R, R, R, A}, SENT_ALREADY, OF_A_GUEST},
    {"mem-set", "", false, {R, R, R, R}, SENT_ALREADY, MEMORY_CHANGES},
    {"mem-max", "", false, {R, R, R, R}, SENT_ALREADY, MEMORY_CHANGES},
    {"rename",
     "",
     false,
     {R, R, R, R},
     SENT_ALREADY,
     "both hosts know it by this name until its memory is in one place"},
    {"config-update", "f", false, {R, R, R, A}, SENT_ALREADY, OF_A_GUEST},
    {"qemu-monitor-command", "", false, {A, R, R, A}, NULL, OF_A_GUEST},
    DEVICES("block"),
    DEVICES("network"),
    DEVICES("pci"),
    DEVICES("vtpm"),
    DEVICES("usbctrl"),
    {"usbdev-attach", "", false, {R, R, R, R}, SENT_ALREADY, DEVICE_COMES},
    {"usbdev-detach", "", false, {R, R, R, A}, SENT_ALREADY, DEVICE_COMES},
    DEVICES("vkb"),
    DEVICES("vdispl"),
    DEVICES("vsnd"),
    DEVICE("cd-insert", R),
    DEVICE("cd-eject", R),
    /* Commands that only look. */
    {"console", "nte", false, {A, R, R, A}, NULL, OF_A_GUEST},
    {"vncviewer", "", false, {A, A, A, A}, NULL, NULL},
    {"domname", "", false, {A, A, A, A}, NULL, NULL},
    {"domid", "", false, {A, A, A, A}, NULL, NULL},
    {"vcpu-pin", "", false, {A, A, A, A}, NULL, NULL},
    {"vcpu-list", "", false, {A, A, A, A}, NULL, NULL},
};
const size_t xl_nr_part_commands =
    sizeof(xl_part_commands) / sizeof(xl_part_commands[0]);

#undef A
#undef F
#undef R

static bool can_be_forced(const struct xl_part_command *command)
{
    for (int part = 0; part < XL_PARTS; part++) {
        if (command->verdicts[part] == XL_FORCED) {
            return true;
        }
    }
    return false;
}

/* ---- command lines ---- */

bool xl_names_command(const char *word, const struct xl_part_command *command)
{
    size_t length = strlen(word);

    return length && !strncmp(word, command->name, length);
}

/* Read the letters of one word; true: the next word is an argument. */
static bool take_letters(const struct xl_part_command *command,
                         const char *letters, struct xl_part_line *line)
{
    for (; *letters; letters++) {
        if (strchr(command->with_argument, *letters)) {
            return letters[1] == '\0';
        }
        line->help |= *letters == 'h';
        line->all |= command->takes_all && *letters == 'a';
    }
    return false;
}

/* getopt_long() also accepts a long option that is shortened. */
static bool is_option(const char *word, const char *option)
{
    return strlen(word) > 2 && !strncmp(word, option, strlen(word));
}

struct xl_part_line xl_part_line_parse(const struct xl_part_command *command,
                                       int argc, char **argv)
{
    struct xl_part_line line = {.domain = NULL};
    bool only_operands = false;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (only_operands || word[0] != '-' || !word[1]) {
            line.domain = line.domain ? line.domain : word;
        } else if (!strcmp(word, "--")) {
            only_operands = true;
        } else if (word[1] != '-') {
            i += take_letters(command, word + 1, &line);
        } else {
            line.all |= command->takes_all && is_option(word, "--all");
            line.help |= is_option(word, "--help");
            line.force |= can_be_forced(command) && !strcmp(word, "--force");
        }
    }
    return line;
}

int xl_part_line_strip(const struct xl_part_command *command, int argc,
                       char **argv)
{
    int kept = 1;
    bool only_operands = !can_be_forced(command);

    for (int i = 1; i < argc; i++) {
        only_operands |= !strcmp(argv[i], "--");
        if (only_operands || strcmp(argv[i], "--force")) {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

/* ---- the domain in question ---- */

static enum xl_part part_at_source(const libxl_live_migrate_status *status)
{
    switch (status->state) {
    case LIBXL_LIVE_MIGRATE_STATE_FAILED:
        return XL_PART_NONE;
    case LIBXL_LIVE_MIGRATE_STATE_COMPLETE:
    case LIBXL_LIVE_MIGRATE_STATE_PAUSED:
    case LIBXL_LIVE_MIGRATE_STATE_LOST:
        return XL_PART_SHELL;
    case LIBXL_LIVE_MIGRATE_STATE_KILLED:
        /* Only the destination knows whether it was handed over. */
        return status->phase >= LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED
                   ? XL_PART_SHELL
                   : XL_PART_NONE;
    case LIBXL_LIVE_MIGRATE_STATE_RUNNING:
        break;
    }
    return status->phase >= LIBXL_LIVE_MIGRATE_PHASE_GO ? XL_PART_SHELL
                                                        : XL_PART_MOVING;
}

enum xl_part xl_part_of(const libxl_live_migrate_status *status)
{
    if (status->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE) {
        return part_at_source(status);
    }
    if (status->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE) {
        return XL_PART_NONE;
    }
    return status->phase >= LIBXL_LIVE_MIGRATE_PHASE_GO ? XL_PART_ARRIVING
                                                        : XL_PART_INCOMING;
}

enum xl_part xl_part_of_half(libxl_live_migrate_half half)
{
    switch (half) {
    case LIBXL_LIVE_MIGRATE_HALF_NONE:
        break;
    case LIBXL_LIVE_MIGRATE_HALF_LEAVING:
        return XL_PART_MOVING;
    case LIBXL_LIVE_MIGRATE_HALF_LEFT:
        return XL_PART_SHELL;
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVING:
        return XL_PART_INCOMING;
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVED:
    case LIBXL_LIVE_MIGRATE_HALF_PAGED:
        return XL_PART_ARRIVING;
    }
    return XL_PART_NONE;
}

bool xl_part_is_left(const libxl_live_migrate_status *status)
{
    return status->state != LIBXL_LIVE_MIGRATE_STATE_RUNNING;
}

/* To destroy the domain loses nothing. */
static bool is_needless(const struct xl_part_domain *domain)
{
    const libxl_live_migrate_status *status = domain->status;

    return (domain->part == XL_PART_SHELL &&
            status->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE) ||
           (domain->part == XL_PART_INCOMING && xl_part_is_left(status));
}

enum xl_verdict xl_part_verdict(const struct xl_part_command *command,
                                const struct xl_part_domain *domain)
{
    enum xl_verdict verdict;

    if (domain->part == XL_PART_NONE) {
        return XL_ALLOWED;
    }
    verdict = command->verdicts[domain->part];
    if (verdict == XL_FORCED && is_needless(domain)) {
        return XL_ALLOWED;
    }
    return verdict;
}

/* ---- words ---- */

static uint64_t mib_left(const libxl_live_migrate_status *status)
{
    return (status->stats.outstanding + PAGES_PER_MIB - 1) / PAGES_PER_MIB;
}

static void say_what_it_is(FILE *text, const struct xl_part_domain *domain)
{
    const libxl_live_migrate_status *status = domain->status;
    const char *name = status->name;

    switch (domain->part) {
    case XL_PART_MOVING:
        fprintf(text, "%s is being moved to another host, and still runs here",
                name);
        break;
    case XL_PART_SHELL:
        if (status->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE) {
            fprintf(text,
                    "%s is what is left here of %s, which is whole at another "
                    "host",
                    domain->called, name);
            break;
        }
        fprintf(
            text,
            "%s is what is kept here of %s, which was handed over to another "
            "host and lacks %" PRIu64 " MiB of its memory there",
            domain->called, name, mib_left(status));
        break;
    case XL_PART_INCOMING:
        fprintf(text,
                "%s is made ready for %s, which still runs at its source",
                domain->called, name);
        break;
    case XL_PART_ARRIVING:
        fprintf(text,
                "%s runs here, and %" PRIu64
                " MiB of its memory are still at its source",
                name, mib_left(status));
        break;
    case XL_PART_NONE:
        fprintf(text, "%s is an ordinary domain", domain->called);
        break;
    }
}

static void say_how_long(FILE *text, const struct xl_part_domain *domain)
{
    const libxl_live_migrate_status *status = domain->status;
    uint64_t rate = status->stats.rate;

    fprintf(text, "xl: It comes with %" PRIu64 ".%" PRIu64 " MiB/s",
            rate / MIB, rate % MIB * 10 / MIB);
    if (status->stats.time_left_us) {
        fprintf(text, ", which takes another %" PRIu64 " s",
                (status->stats.time_left_us + 999999) / 1000000);
    }
    fprintf(text, ": xl migrate-wait %s waits for that.\n", status->name);
}

static void say_how_to_recover(FILE *text, const struct xl_part_domain *domain)
{
    const libxl_live_migrate_status *status = domain->status;
    bool killed = status->state == LIBXL_LIVE_MIGRATE_STATE_KILLED;

    fprintf(text, "xl: %s: nothing comes until this is run%s:\n",
            killed ? "The process that moved it is dead"
                   : "The connection between the hosts is lost",
            status->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE ? ""
                                                           : " at its source");
    if (domain->recover) {
        fprintf(text, "xl:     %s\n", domain->recover);
    } else {
        fprintf(text, "xl:     xl migrate-recover %s %s\n", status->name,
                status->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE ? "HOST"
                                                               : "THIS-HOST");
    }
}

static void say_what_helps(FILE *text, const struct xl_part_domain *domain)
{
    const libxl_live_migrate_status *status = domain->status;
    bool left = xl_part_is_left(status);

    switch (domain->part) {
    case XL_PART_MOVING:
        fprintf(text,
                "xl: Wait until it has moved and ask there, or give up its "
                "move: xl migrate-abort %s\n",
                status->name);
        break;
    case XL_PART_INCOMING:
        fprintf(text,
                left ? "xl: No process works on it any more, and nothing is "
                       "lost with it: xl destroy %s\n"
                     : "xl: Ask at its source, or give up its move: xl "
                       "migrate-abort %s\n",
                domain->called);
        break;
    case XL_PART_SHELL:
        if (status->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE) {
            fprintf(text, "xl: It is not needed any more: xl destroy %s\n",
                    domain->called);
            break;
        }
        /* fall through */
    case XL_PART_ARRIVING:
        if (left) {
            say_how_to_recover(text, domain);
        } else {
            say_how_long(text, domain);
        }
        break;
    case XL_PART_NONE:
        break;
    }
}

static void say_what_force_does(FILE *text,
                                const struct xl_part_command *command,
                                const struct xl_part_domain *domain)
{
    const char *name = domain->status->name;

    if (strcmp(command->name, "destroy")) {
        fprintf(text, "takes the guest as it was when it was handed over.\n");
        return;
    }
    switch (domain->part) {
    case XL_PART_SHELL:
        fprintf(text,
                "loses %" PRIu64
                " MiB that are nowhere else: %s stops at the other host when "
                "it needs them, and has to be destroyed there and started "
                "anew, as after a power failure.\n",
                mib_left(domain->status), name);
        break;
    case XL_PART_INCOMING:
        fprintf(text,
                "ends its move: %s runs on at its source, unless it is handed "
                "over "
                "at this very moment.\n",
                name);
        break;
    default:
        fprintf(text,
                "ends %s as a power failure does: what its source keeps is "
                "of no use then.\n",
                name);
    }
}

static char *finish(FILE *text, char **lines)
{
    if (fclose(text)) {
        free(*lines);
        return NULL;
    }
    return *lines;
}

char *xl_part_explain(const struct xl_part_command *command,
                      const struct xl_part_domain *domain, bool force)
{
    const char *why = domain->part == XL_PART_MOVING ? command->while_moving
                                                     : command->of_a_part;
    char *lines = NULL;
    size_t length;
    FILE *text = open_memstream(&lines, &length);

    if (!text) {
        return NULL;
    }
    fputs("xl: ", text);
    say_what_it_is(text, domain);
    if (force) {
        fprintf(text, ".\nxl: xl %s --force ", command->name);
        say_what_force_does(text, command, domain);
        return finish(text, &lines);
    }
    fprintf(text, ".\nxl: xl %s is refused: %s.\n", command->name,
            why ? why : "it is not for such a domain");
    say_what_helps(text, domain);
    if (command->verdicts[domain->part] == XL_FORCED) {
        fprintf(text, "xl: xl %s --force ", command->name);
        say_what_force_does(text, command, domain);
    }
    return finish(text, &lines);
}

char *xl_part_describe(const struct xl_part_domain *domain)
{
    char *lines = NULL;
    size_t length;
    FILE *text = open_memstream(&lines, &length);

    if (!text) {
        return NULL;
    }
    fputs("xl: ", text);
    say_what_it_is(text, domain);
    fputs(".\n", text);
    say_what_helps(text, domain);
    return finish(text, &lines);
}

/* ---- the manual's ---- */

char *xl_part_table(void)
{
    static const char *const verdicts[] = {
        [XL_ALLOWED] = "yes",
        [XL_FORCED] = "--force",
        [XL_REFUSED] = "no",
    };
    char *lines = NULL;
    size_t length;
    FILE *text = open_memstream(&lines, &length);

    if (!text) {
        return NULL;
    }
    fprintf(text, "%-22s %-8s %-8s %-9s %s\n", "Command", "moving", "shell",
            "incoming", "arriving");
    for (size_t i = 0; i < xl_nr_part_commands; i++) {
        const struct xl_part_command *command = &xl_part_commands[i];
        const enum xl_verdict *of = command->verdicts;

        fprintf(text, "%-22s %-8s %-8s %-9s %s\n", command->name,
                verdicts[of[XL_PART_MOVING]], verdicts[of[XL_PART_SHELL]],
                verdicts[of[XL_PART_INCOMING]],
                verdicts[of[XL_PART_ARRIVING]]);
    }
    return finish(text, &lines);
}
