/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Commands of the stock xl about a guest that moves.
 */
#include "part_gate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "stock.h"

#define RECOVERY_KEY "xl-migrate-recover"
#define HOST_KEY "xl-migrate-host"

struct gate {
    struct xl_context *xl;
    const struct xl_part_command *command;
    struct xl_part_line line;
    bool by_guest; /* the line has the guest's name, not the domain's */
    libxl_live_migrate_status *list;
    int count;
    libxl_live_migrate_status made; /* for a domain that is not in the list */
    /* The domain that the line is about. */
    struct xl_part_domain domain;
    uint32_t domid;
    char *called;
    char *recover;
};

/* ---- what is kept of a recovery ---- */

static void keep(struct xl_context *xl, uint32_t domid, const char *key,
                 const char *text)
{
    /* Without it a message is less precise, and nothing else is worse. */
    (void)libxl_userdata_store(xl->ctx, domid, key, (const uint8_t *)text,
                               strlen(text) + 1);
}

static char *kept(struct xl_context *xl, uint32_t domid, const char *key)
{
    uint8_t *text = NULL;
    int length = 0;

    if (libxl_userdata_retrieve(xl->ctx, domid, key, &text, &length)) {
        return NULL;
    }
    if (!text || length <= 0 || text[length - 1]) {
        free(text);
        return NULL;
    }
    return (char *)text;
}

void xl_gate_keep_recovery(struct xl_context *xl, uint32_t domid,
                           const char *command, const char *host)
{
    keep(xl, domid, RECOVERY_KEY, command);
    keep(xl, domid, HOST_KEY, host);
}

char *xl_gate_recovery(struct xl_context *xl, uint32_t domid)
{
    return kept(xl, domid, RECOVERY_KEY);
}

char *xl_gate_host(struct xl_context *xl, uint32_t domid)
{
    return kept(xl, domid, HOST_KEY);
}

/* ---- which domain, and which part it is ---- */

static void forget_domain(struct gate *gate)
{
    free(gate->called);
    free(gate->recover);
    gate->called = NULL;
    gate->recover = NULL;
}

static void close_gate(struct gate *gate)
{
    forget_domain(gate);
    libxl_live_migrate_status_list_free(gate->list, gate->count);
    gate->list = NULL;
}

/* What xenstore says about the domain or, if that is lost, what the library
 * has found out. */
static const libxl_live_migrate_status *status_of(
    struct gate *gate, const libxl_live_migrate_inspection *found)
{
    for (int i = 0; i < gate->count; i++) {
        if (gate->list[i].domid == gate->domid) {
            return &gate->list[i];
        }
    }
    gate->made = (libxl_live_migrate_status){
        .domid = gate->domid,
        .role = found->half == LIBXL_LIVE_MIGRATE_HALF_LEFT
                    ? LIBXL_LIVE_MIGRATE_ROLE_SOURCE
                    : LIBXL_LIVE_MIGRATE_ROLE_DESTINATION,
        .state = LIBXL_LIVE_MIGRATE_STATE_KILLED,
        .stats.outstanding = found->outstanding,
    };
    snprintf(gate->made.name, sizeof(gate->made.name), "%s",
             found->name[0] ? found->name : gate->called);
    return &gate->made;
}

static void look_at(struct gate *gate, uint32_t domid)
{
    libxl_live_migrate_inspection found;

    forget_domain(gate);
    gate->domid = domid;
    gate->domain = (struct xl_part_domain){.part = XL_PART_NONE};
    gate->called = libxl_domid_to_name(gate->xl->ctx, domid);
    /* If nothing is known about a domain, any command may use it. */
    if (!gate->called || libxl_live_migrate_inspect(domid, &found) ||
        found.half == LIBXL_LIVE_MIGRATE_HALF_NONE) {
        return;
    }
    gate->recover = xl_gate_recovery(gate->xl, domid);
    gate->domain = (struct xl_part_domain){
        .part = xl_part_of_half(found.half),
        .called = gate->called,
        .recover = gate->recover,
        .status = status_of(gate, &found),
    };
}

/* For the stock xl, which knows the domain by its present name. */
static void call_it_as_it_is(struct gate *gate)
{
    struct xl_context *xl = gate->xl;

    for (int i = 0; i < xl->argc; i++) {
        if (xl->argv[i] == gate->line.domain && gate->called) {
            xl->argv[i] = strdup(gate->called);
            return;
        }
    }
}

/* A guest whose domain here has another name is also found by its own: the
 * user should learn about it. */
static bool find_domain(struct gate *gate)
{
    uint32_t domid;

    if (!libxl_domain_qualifier_to_domid(gate->xl->ctx, gate->line.domain,
                                         &domid)) {
        look_at(gate, domid);
        return true;
    }
    for (int i = 0; i < gate->count; i++) {
        if (!strcmp(gate->list[i].name, gate->line.domain)) {
            look_at(gate, gate->list[i].domid);
            gate->by_guest = true;
            return gate->domain.part != XL_PART_NONE;
        }
    }
    return false;
}

/* ---- what becomes of a command ---- */

static void explain(struct gate *gate, bool force)
{
    char *lines = xl_part_explain(gate->command, &gate->domain, force);

    fputs(lines ? lines : "xl: out of memory\n", stderr);
    free(lines);
}

/* 0, or -1 with a message on stderr. */
static int pass(struct gate *gate)
{
    switch (xl_part_verdict(gate->command, &gate->domain)) {
    case XL_ALLOWED:
        return 0;
    case XL_FORCED:
        explain(gate, gate->line.force);
        return gate->line.force ? 0 : -1;
    case XL_REFUSED:
        break;
    }
    explain(gate, false);
    return -1;
}

static bool is_destroy(const struct gate *gate)
{
    return !strcmp(gate->command->name, "destroy");
}

/* ---- all domains ---- */

/* The command line for one domain: without -a, and with the domain. */
static char **line_for(struct gate *gate, int word, char *domain)
{
    struct xl_context *xl = gate->xl;
    char **argv = calloc(xl->argc + 2, sizeof(*argv));
    int argc = 0;

    for (int i = 0; argv && i < xl->argc; i++) {
        char *letter = xl->argv[i];

        if (i > word && letter[0] == '-' && letter[1] == 'a' && !letter[2]) {
            continue;
        }
        if (i > word && strlen(letter) > 2 &&
            !strncmp(letter, "--all", strlen(letter))) {
            continue;
        }
        if (i > word && letter[0] == '-' && letter[1] != '-') {
            letter = strdup(letter);
            for (char *a; letter && (a = strchr(letter, 'a')) != NULL;) {
                memmove(a, a + 1, strlen(a));
            }
        }
        argv[argc++] = letter;
    }
    if (argv) {
        argv[argc] = domain;
    }
    return argv;
}

static pid_t start_one(struct gate *gate, int word, uint32_t domid)
{
    char text[16];
    char **argv;
    pid_t pid = fork();

    if (pid) {
        return pid;
    }
    snprintf(text, sizeof(text), "%" PRIu32, domid);
    argv = line_for(gate, word, text);
    _exit(argv ? xl_stock_exec(argv) : EXIT_FAILURE);
}

static int await_all(int started)
{
    int status, ret = EXIT_SUCCESS;

    while (started > 0) {
        if (wait(&status) >= 0) {
            started--;
            ret = status ? EXIT_FAILURE : ret;
        } else if (errno != EINTR) {
            return EXIT_FAILURE;
        }
    }
    return ret;
}

/* At the same time, like the stock xl: each may take long. */
static int run_on_all(struct gate *gate, int word)
{
    libxl_dominfo *domains;
    int count, started = 0, refused = 0, ret;

    domains = libxl_list_domain(gate->xl->ctx, &count);
    if (!domains) {
        fprintf(stderr, "xl: the domains of this host cannot be listed\n");
        return EXIT_FAILURE;
    }
    for (int i = 0; i < count; i++) {
        if (!domains[i].domid) {
            continue;
        }
        look_at(gate, domains[i].domid);
        if (pass(gate)) {
            refused++;
        } else {
            started += start_one(gate, word, domains[i].domid) > 0;
        }
    }
    libxl_dominfo_list_free(domains, count);
    ret = await_all(started);
    return refused ? EXIT_FAILURE : ret;
}

static bool any_is_refused(struct gate *gate)
{
    for (int i = 0; i < gate->count; i++) {
        look_at(gate, gate->list[i].domid);
        if (xl_part_verdict(gate->command, &gate->domain) != XL_ALLOWED) {
            return true;
        }
    }
    return false;
}

/* ---- entry points ---- */

static bool is_dom0(void)
{
    return !access("/proc/xen/privcmd", F_OK) ||
           !access("/dev/xen/privcmd", F_OK);
}

/* -1: the stock xl must run it; else an exit status. */
static int try_command(struct gate *gate, int word)
{
    struct xl_context *xl = gate->xl;

    gate->line =
        xl_part_line_parse(gate->command, xl->argc - word, xl->argv + word);
    if (gate->line.help || (!gate->line.all && !gate->line.domain)) {
        return -1;
    }
    if (!is_dom0() || xl_context_open(xl)) {
        return -1; /* the stock xl reports what is wrong */
    }
    if (gate->line.all) {
        return any_is_refused(gate) ? run_on_all(gate, word) : -1;
    }
    if (!find_domain(gate)) {
        return -1;
    }
    if (pass(gate)) {
        return EXIT_FAILURE;
    }
    if (gate->by_guest && gate->line.force) {
        call_it_as_it_is(gate);
    }
    if (is_destroy(gate)) {
        (void)libxl_domain_live_migrate_receive_end(xl->ctx, gate->domid);
        (void)libxl_live_migrate_release(xl->ctx, gate->domid);
    }
    return -1;
}

/* The command, or each command that a shortened word can mean: what one of
 * them may not do, none of them may. */
static const struct xl_part_command *next_command(
    const char *word, const struct xl_part_command *last)
{
    const struct xl_part_command *at = last ? last + 1 : xl_part_commands;
    const struct xl_part_command *end = xl_part_commands + xl_nr_part_commands;

    for (; at < end; at++) {
        if (xl_names_command(word, at)) {
            return at;
        }
    }
    return NULL;
}

static const struct xl_part_command *exact_command(const char *word)
{
    for (size_t i = 0; i < xl_nr_part_commands; i++) {
        if (!strcmp(word, xl_part_commands[i].name)) {
            return &xl_part_commands[i];
        }
    }
    return NULL;
}

int xl_gate_stock(struct xl_context *xl, int word)
{
    const char *name = word < xl->argc ? xl->argv[word] : "";
    const struct xl_part_command *exact = exact_command(name);
    struct gate gate = {.xl = xl};
    int status = -1;

    if (!exact && !next_command(name, NULL)) {
        return xl_stock_exec(xl->argv);
    }
    /* Without xenstore the stock xl reports what is wrong. */
    if (libxl_live_migrate_list(&gate.list, &gate.count)) {
        gate.count = 0;
    }
    gate.command = exact ? exact : next_command(name, NULL);
    while (gate.command && status < 0) {
        status = try_command(&gate, word);
        if (status < 0) {
            xl->argc = word + xl_part_line_strip(gate.command, xl->argc - word,
                                                 xl->argv + word);
        }
        gate.command = exact ? NULL : next_command(name, gate.command);
    }
    close_gate(&gate);
    xl_context_close(xl);
    return status < 0 ? xl_stock_exec(xl->argv) : status;
}

int xl_gate_move(struct xl_context *xl, uint32_t domid)
{
    struct gate gate = {.xl = xl, .command = exact_command("migrate")};
    int rc;

    if (libxl_live_migrate_list(&gate.list, &gate.count)) {
        return 0;
    }
    look_at(&gate, domid);
    rc = pass(&gate);
    close_gate(&gate);
    return rc;
}
