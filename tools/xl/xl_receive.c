/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-receive --postcopy: the destination.  The source starts it, and
 * talks to it over its stdin and stdout.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "commands.h"
#include "config.h"
#include "connection.h"
#include "creation_lock.h"
#include "evacuation/host_room.h"
#include "global_config.h"
#include "guard.h"
#include "libxl_live_migrate.h"
#include "monitor.h"
#include "options.h"
#include "preflight.h"
#include "rdma_connection.h"
#include "receive.h"
#include "receive_policy_file.h"
#include "standby.h"
#include "stock.h"
#include "transport.h"
#include "visitor.h"
#include "wishes.h"

struct xl_receive {
    struct xl_context *xl;
    struct xl_options options; /* as given */
    /* Made from the stream: */
    struct xl_connection connection;
    libxl_domain_config config;
    char *name;
    uint32_t domid;
    struct xl_guard guard;
    struct xl_monitor_standby standby;
    struct xl_creation_lock lock; /* until the domain has its memory */
    bool arrived;                 /* the guest has come here */
    bool unwatched;               /* though a daemon should watch over it */
};

/* ---- stages ---- */

static int greet(struct xl_receive *receive)
{
    if (libxl_write_exactly(receive->xl->ctx, receive->connection.send_fd,
                            XL_BANNER, sizeof(XL_BANNER) - 1,
                            "migration stream", "banner")) {
        fprintf(stderr,
                "xl: the source did not wait for this receiver's greeting\n");
        return -1;
    }
    return 0;
}

static void show_config(struct xl_receive *receive)
{
    char *json =
        libxl_domain_config_to_json(receive->xl->ctx, &receive->config);

    if (json) {
        fputs(json, stderr);
    }
    free(json);
}

/* The source's configuration, before anything of it is used. */
static int check_policy(struct xl_receive *receive)
{
    char *json =
        libxl_domain_config_to_json(receive->xl->ctx, &receive->config);
    int ret =
        json ? xl_receive_policy_check(receive->options.policy, json) : -1;

    free(json);
    return ret;
}

/* Until the guest is this host's, the domain must not have the name that it
 * has at the source: both may be on this very host. */
static int choose_names(struct xl_receive *receive)
{
    libxl_domain_create_info *info = &receive->config.c_info;
    char *incoming;

    if (asprintf(&incoming, "%s" XL_INCOMING_SUFFIX, info->name) < 0) {
        fprintf(stderr, "xl: out of memory\n");
        return -1;
    }
    receive->name = info->name;
    info->name = incoming;
    if (!libxl_domid_valid_guest(info->domid)) {
        info->domid = INVALID_DOMID;
    }
    return 0;
}

static void report_failure(const struct xl_receive *receive,
                           const libxl_live_migrate_result *result, int rc,
                           bool resumed)
{
    fprintf(stderr, "xl: destination: %s (%s, libxl error %d).\n",
            result->reason[0] ? result->reason : "no reason was given",
            libxl_live_migrate_phase_to_string(result->phase), rc);
    if (result->lost) {
        return; /* the reason says everything */
    }
    if (resumed) {
        fprintf(stderr,
                "xl: destination: %s runs here and is the only copy, but "
                "memory of it is missing: it stops where it needs that.\n",
                receive->name);
    } else {
        fprintf(stderr, "xl: destination: nothing of %s is left here.\n",
                receive->name);
    }
}

/* The migration by which that domain came; false: none is known. */
static bool find_migration(uint32_t domid, libxl_live_migrate_status *status)
{
    libxl_live_migrate_status *list;
    bool found = false;
    int count;

    if (libxl_live_migrate_list(&list, &count)) {
        return false;
    }
    for (int i = 0; i < count && !found; i++) {
        found = list[i].domid == domid &&
                list[i].role == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION;
        if (found) {
            *status = list[i];
        }
    }
    libxl_live_migrate_status_list_free(list, count);
    return found;
}

/* Is it certain that the domain never ran?  Only if it is paused, and has used
 * no processor time. */
static bool never_ran(struct xl_receive *receive, uint32_t domid)
{
    libxl_dominfo info;
    bool never;

    libxl_dominfo_init(&info);
    never = !libxl_domain_info(receive->xl->ctx, &info, domid) &&
            info.paused && !info.cpu_time;
    libxl_dominfo_dispose(&info);
    return never;
}

/* With a domain of the same name libxl would only report an error.  It may be
 * the only copy of a guest: a user who is told to destroy it must know
 * better. */
static int check_name_free(struct xl_receive *receive)
{
    const char *incoming = receive->config.c_info.name;
    libxl_live_migrate_status status;
    uint32_t domid;
    bool known;

    if (libxl_name_to_domid(receive->xl->ctx, incoming, &domid)) {
        return 0;
    }
    known = find_migration(domid, &status);
    fprintf(stderr,
            "xl: destination: there is a %s already, domain %u: ", incoming,
            domid);
    if (!never_ran(receive, domid) ||
        (known && status.phase >= LIBXL_LIVE_MIGRATE_PHASE_GO)) {
        fprintf(stderr,
                "a guest that came by an earlier migration and runs here; do "
                "not destroy it, and give it another name (xl rename)\n");
    } else if (known && status.state == LIBXL_LIVE_MIGRATE_STATE_RUNNING) {
        fprintf(stderr, "%s is being received: see xl migrate-status\n",
                receive->name);
    } else {
        fprintf(stderr,
                "a leftover of a migration that failed, which never ran: xl "
                "destroy %u\n",
                domid);
    }
    return -1;
}

/* From here on the guest cannot do without this process, whatever becomes of
 * the connection that has started it. */
static void stay(void)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    setsid();
}

/* The guard must know before the guest can run here; and once it runs, the
 * guard may end.  A process that takes the place of another receiver has no
 * guard yet. */
static void note_phase(libxl_live_migrate_phase phase,
                       const libxl_live_migrate_stats *stats, void *user)
{
    struct xl_receive *receive = user;

    (void)stats;
    if (phase >= LIBXL_LIVE_MIGRATE_PHASE_PRECOPY) {
        xl_creation_lock_release(&receive->lock);
    }
    if (phase >= LIBXL_LIVE_MIGRATE_PHASE_GO && !receive->arrived) {
        receive->arrived = true;
        stay();
        if (receive->guard.fd < 0) {
            (void)xl_guard_start(&receive->guard, "");
        }
        xl_guard_tell_ours(&receive->guard, receive->domid);
    }
    if (phase >= LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY &&
        !receive->options.recover &&
        xl_monitor_begin(&receive->standby, receive->domid)) {
        receive->unwatched = true;
    }
}

/* Memory may come from dom0 then, and no other program may take it. */
static int lock_creation(struct xl_receive *receive)
{
    char *path;
    int ret;

    if (!xl_global_autoballoon(receive->xl)) {
        return 0;
    }
    path = xl_global_lockfile();
    ret = path ? xl_creation_lock_take(&receive->lock, path,
                                       XL_CREATION_PATIENCE_SECONDS,
                                       receive->connection.recv_fd)
               : -1;
    free(path);
    return ret;
}

static int receive_domain(struct xl_receive *receive)
{
    libxl_live_migrate_receive_params params;
    libxl_live_migrate_result result;
    char *trace_path;
    bool resumed;
    int rc;

    if (!xl_options_trace(&receive->options, "destination", &trace_path)) {
        perror("xl");
        return -1;
    }
    libxl_live_migrate_receive_params_init(&params);
    params.trace = trace_path;
    params.final_name = receive->name;
    params.link_timeout = receive->options.params.link_timeout;
    params.pager = receive->options.pager;
    params.paused = receive->options.leave_paused;
    params.superpages = receive->options.superpages;
    params.autoballoon = receive->lock.fd >= 0;
    params.logger = receive->xl->logger;
    params.progress = note_phase;
    params.progress_user = receive;
    rc = libxl_domain_live_migrate_receive(
        receive->xl->ctx, &receive->config, &receive->domid,
        receive->connection.recv_fd, receive->connection.send_fd, &params,
        &result, &resumed, NULL);
    free(trace_path);
    if (rc) {
        report_failure(receive, &result, rc, resumed);
        return -1;
    }
    if (result.phase < LIBXL_LIVE_MIGRATE_PHASE_COMPLETE) {
        fprintf(stderr, "xl: destination: %s: %s.\n", receive->name,
                result.reason);
    }
    return 0;
}

/* A restart must make a domain with the right name. */
static void take_final_name(struct xl_receive *receive)
{
    free(receive->config.c_info.name);
    receive->config.c_info.name = receive->name;
    receive->name = NULL;
}

/* Close the connection first: the source need not wait for anything now. */
static int watch_over(struct xl_receive *receive)
{
    xl_connection_close(&receive->connection);
    if (receive->options.foreground) {
        return xl_monitor_run(receive->xl, receive->domid, &receive->config);
    }
    return receive->unwatched ? -1 : 0;
}

/* Serve another connection: for the recovery of a guest, or a fault channel or
 * stream of a guest that is coming. */
static int serve_recovery(struct xl_receive *receive)
{
    libxl_live_migrate_receive_params params;
    libxl_live_migrate_result result;
    char *trace_path;
    int rc;

    if (!xl_options_trace(&receive->options, "destination", &trace_path)) {
        perror("xl");
        return ERROR_NOMEM;
    }
    libxl_live_migrate_receive_params_init(&params);
    params.trace = trace_path;
    params.logger = receive->xl->logger;
    params.local_domid = &receive->domid;
    params.progress = note_phase;
    params.progress_user = receive;
    rc = libxl_domain_live_migrate_receive_recover(
        receive->xl->ctx, receive->connection.recv_fd,
        receive->connection.send_fd, &params, &result, NULL);
    free(trace_path);
    xl_guard_release(&receive->guard);
    if (rc) {
        fprintf(stderr, "xl: destination: %s (libxl error %d).\n",
                result.reason, rc);
    }
    return rc;
}

/* Take the source's wishes, in addition to the command line.  By ssh the
 * source puts them into the command line. */
static int take_wishes(struct xl_receive *receive)
{
    struct xl_wishes wishes;
    const char *problem;

    if (xl_config_read_octets(receive->connection.recv_fd, &wishes,
                              sizeof(wishes), "list of wishes")) {
        return -1;
    }
    problem = xl_wishes_check(&wishes);
    if (problem) {
        fprintf(stderr, "xl: what comes in is %s\n", problem);
        return -1;
    }
    xl_wishes_grant(&wishes, &receive->options);
    return 0;
}

static int migrate_receive(struct xl_receive *receive)
{
    int ret;

    ret = xl_config_read(receive->xl, receive->connection.recv_fd,
                         &receive->config);
    if (ret == XL_CONFIG_ROOM) {
        ret = xl_host_room_answer(receive->xl, receive->connection.send_fd);
        goto out;
    }
    if (ret) {
        goto out;
    }
    if (receive->options.debug) {
        show_config(receive);
    }
    if (receive->options.check) {
        ret = xl_preflight_answer(receive->xl, &receive->config,
                                  receive->options.policy,
                                  receive->connection.send_fd);
        goto out;
    }
    ret = check_policy(receive);
    if (ret) {
        goto out;
    }
    ret = xl_global_restrict_cpus(receive->xl, &receive->config);
    if (ret) {
        goto out;
    }
    ret = choose_names(receive);
    if (ret) {
        goto out;
    }
    ret = check_name_free(receive);
    if (ret) {
        goto out;
    }
    ret = xl_guard_start(&receive->guard, receive->config.c_info.name);
    if (ret) {
        goto out;
    }
    if (!receive->options.no_monitor && !receive->options.foreground) {
        ret = xl_monitor_standby(&receive->standby);
        if (ret) {
            goto out;
        }
    }
    ret = lock_creation(receive);
    if (!ret) {
        ret = receive_domain(receive);
    }
    xl_creation_lock_release(&receive->lock);
    xl_guard_release(&receive->guard);
    xl_monitor_dismiss(&receive->standby);
    if (ret) {
        goto out;
    }
    take_final_name(receive);
    ret = watch_over(receive);

out:
    free(receive->name);
    return ret;
}

/* Find out what the source wants, by its first octets.  A source that goes on
 * by RDMA sends such octets there once more. */
static int await_visitor(struct xl_receive *receive)
{
    int visitor = -1;

    if (!greet(receive)) {
        visitor = receive->options.by_rdma
                      ? XL_VISITOR_RDMA
                      : xl_connection_await_visitor(&receive->connection);
    }
    if (visitor != XL_VISITOR_RDMA) {
        return visitor;
    }
    if (xl_rdma_take_over(&receive->connection, &receive->options) ||
        greet(receive)) {
        return -1;
    }
    return xl_connection_await_visitor(&receive->connection);
}

/* Serve one connection.  With --recover it is known what the source wants. */
static int serve(struct xl_receive *receive)
{
    int visitor = await_visitor(receive);

    if (visitor >= 0 && receive->options.recover) {
        visitor = XL_VISITOR_AGAIN;
    }
    switch (visitor) {
    case XL_VISITOR_AGAIN:
        receive->options.recover = true;
        return serve_recovery(receive);
    case XL_VISITOR_WISHES:
        return take_wishes(receive) ? -1 : migrate_receive(receive);
    case XL_VISITOR_GUEST:
        return migrate_receive(receive);
    default:
        return -1;
    }
}

static int take_connection(struct xl_receive *receive)
{
    const struct xl_options *options = &receive->options;
    struct xl_peers peers;
    int ret;

    if (!options->tls) {
        return xl_connection_take(&receive->connection, options, NULL);
    }
    if (xl_receive_policy_peers(options->policy, options->peers, &peers)) {
        return -1;
    }
    ret = xl_connection_take(&receive->connection, options, &peers);
    xl_peers_free(&peers);
    return ret;
}

/* The stock receiver in place of this process, on the same connection. */
static int run_stock(const struct xl_receive *receive)
{
    char name[] = "xl", command[] = "migrate-receive";
    char no_monitor[] = "-e", debug[] = "-d";
    char *line[5] = {name, command};
    int count = 2;

    if (receive->options.no_monitor) {
        line[count++] = no_monitor;
    }
    if (receive->options.debug) {
        line[count++] = debug;
    }
    if (dup2(receive->connection.recv_fd, STDIN_FILENO) < 0 ||
        dup2(receive->connection.send_fd, STDOUT_FILENO) < 0) {
        perror("xl");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_DFL);
    return xl_stock_exec(line);
}

int xl_receive(struct xl_context *xl, const struct xl_options *options)
{
    struct xl_receive receive = {
        .xl = xl,
        .options = *options,
        .connection = XL_CONNECTION_NONE,
        .guard = XL_GUARD_NONE,
        .standby = XL_MONITOR_NOBODY,
        .lock = XL_CREATION_UNLOCKED,
    };
    int ret;

    if (take_connection(&receive)) {
        return EXIT_FAILURE;
    }
    if (options->stock) {
        return run_stock(&receive);
    }
    if (xl_context_open(xl)) {
        return EXIT_FAILURE;
    }
    libxl_domain_config_init(&receive.config);
    ret = serve(&receive);
    libxl_domain_config_dispose(&receive.config);
    xl_connection_close(&receive.connection);
    return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

int xl_main_migrate_receive(struct xl_context *xl, int argc, char **argv)
{
    struct xl_options options;
    int status;

    if (!xl_options_read(&options, XL_COMMAND_RECEIVE, argc, argv, &status)) {
        return status;
    }
    status = xl_check_host();
    return status ? status : xl_receive(xl, &options);
}
