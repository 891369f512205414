/*
 * xl migrate --postcopy: the source.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libxl_utils.h>

#include "config.h"
#include "fault_channel.h"
#include "libxl_live_migrate.h"
#include "part_gate.h"
#include "monitor.h"
#include "policy_option.h"
#include "progress.h"
#include "sender.h"
#include "transport.h"
#include "xl.h"

static const char usage[] =
    "usage: xl migrate --postcopy[=WHEN] [options] DOMAIN HOST\n"
    "\n"
    "Moves a running PVH or HVM guest to HOST: the guest first, its memory "
    "after it.\n"
    "\n"
    "  WHEN           now: at once (the default); auto: as soon as precopy "
    "is\n"
    "                 seen not to end well; after:SECONDS or after-rounds:N "
    "of\n"
    "                 precopy\n"
    "  --precopy-iterations N       copy memory in N rounds before (0)\n"
    "  --precopy-dirty-threshold N  no postcopy when a round leaves no more\n"
    "                               than N pages (50)\n"
    "  --max-downtime MS            with auto and after:SECONDS, what may be\n"
    "                               left for a stop without postcopy (300)\n"
    "  --background-rate RATE       octets a second for what the guest does "
    "not\n"
    "                               wait for (K, M, G; unlimited)\n"
    "  --no-background              send only what the guest asks for, and "
    "its\n"
    "                               neighbours\n"
    "  --push-order ORDER           what follows unasked: recent, what it "
    "wrote\n"
    "                               last first (the default), or ascending\n"
    "  --window-before N            pages below one that it asks for, and\n"
    "  --window-after N             above it, that go along (they adapt)\n"
    "  --link-timeout SECONDS       once the guest is let go, how long the\n"
    "                               connection may stand still (while both "
    "live)\n"
    "  --fault-channel[=COMMAND]    a second connection for what the guest "
    "asks\n"
    "                               for; COMMAND connects it, with -s ''\n"
    "  --allow-exposed-backends     also a guest whose disks or network are "
    "not\n"
    "                               known to copy what they send\n"
    "  --late-build                 the devices start at HOST in the stop, "
    "or\n"
    "  --early-build                before it, even where that is not safe "
    "(as\n"
    "                               HOST sees fit)\n"
    "  --json         progress as one JSON object a line, on stdout\n"
    "  -s SSHCOMMAND  use this in place of ssh; '': HOST is itself a command\n"
    "                 that runs the receiver or connects to it\n"
    "  -e             no daemon at HOST waits for the domain's end\n"
    "  -C FILE        send the configuration in FILE, not the domain's own\n"
    "  -p             leave the domain paused at HOST\n"
    "  -D             keep the domain's number\n"
    "  --debug        show the configuration that is received\n"
    "  --live         accepted: it is always so\n"
    "  -h, --help     this\n";

struct xl_migrate {
    struct xl_sender sender;
    /* As given. */
    const char *config_file;
    bool no_monitor;
    bool leave_paused;
    bool preserve_domid;
    bool debug;
    bool fault_channel;
    const char *connect_channel;
    /* Made of these. */
    char *config;
    char *own_config; /* the domain's own, of the same moment */
    struct xl_fault_channel channel;
};

/* ---- options ---- */

enum {
    OPTION_POSTCOPY = 0x100,
    OPTION_ITERATIONS,
    OPTION_THRESHOLD,
    OPTION_MAX_DOWNTIME,
    OPTION_NO_BACKGROUND,
    OPTION_PUSH_ORDER,
    OPTION_WINDOW_BEFORE,
    OPTION_WINDOW_AFTER,
    OPTION_FAULT_CHANNEL,
    OPTION_EXPOSED,
    OPTION_EARLY_BUILD,
    OPTION_LATE_BUILD,
    OPTION_DEBUG,
    OPTION_LIVE,
    OPTION_HOT_PAGES, /* for tests */
};

static const struct option long_options[] = {
    {"postcopy", optional_argument, NULL, OPTION_POSTCOPY},
    {"precopy-iterations", required_argument, NULL, OPTION_ITERATIONS},
    {"precopy-dirty-threshold", required_argument, NULL, OPTION_THRESHOLD},
    {"max-downtime", required_argument, NULL, OPTION_MAX_DOWNTIME},
    {"no-background", no_argument, NULL, OPTION_NO_BACKGROUND},
    {"push-order", required_argument, NULL, OPTION_PUSH_ORDER},
    {"window-before", required_argument, NULL, OPTION_WINDOW_BEFORE},
    {"window-after", required_argument, NULL, OPTION_WINDOW_AFTER},
    {"fault-channel", optional_argument, NULL, OPTION_FAULT_CHANNEL},
    {"allow-exposed-backends", no_argument, NULL, OPTION_EXPOSED},
    {"early-build", no_argument, NULL, OPTION_EARLY_BUILD},
    {"late-build", no_argument, NULL, OPTION_LATE_BUILD},
    {"debug", no_argument, NULL, OPTION_DEBUG},
    {"live", no_argument, NULL, OPTION_LIVE},
    {"hot-pages", required_argument, NULL, OPTION_HOT_PAGES},
    XL_SENDER_OPTIONS,
};

static uint64_t parse_number(const char *option, const char *text,
                             uint64_t most)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value > most) {
        fprintf(stderr,
                "xl: %s wants a number from 0 to %" PRIu64 ", not '%s'\n",
                option, most, text);
        exit(EXIT_FAILURE);
    }
    return value;
}

/* 0 means none here, and the default in the library. */
static uint32_t parse_window(const char *option, const char *text)
{
    uint32_t pages = parse_number(option, text, UINT32_MAX - 1);

    return pages ? pages : UINT32_MAX;
}

static libxl_live_migrate_push_order parse_order(const char *text)
{
    if (!strcmp(text, "recent")) {
        return LIBXL_LIVE_MIGRATE_PUSH_ORDER_RECENT;
    }
    if (!strcmp(text, "ascending")) {
        return LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING;
    }
    fprintf(stderr, "xl: --push-order is recent or ascending, not '%s'\n",
            text);
    exit(EXIT_FAILURE);
}

static void take_policy(libxl_live_migrate_params *params, const char *text)
{
    struct xl_policy policy;

    if (!xl_parse_policy(text, &policy)) {
        fprintf(stderr,
                "xl: --postcopy may be =now, =auto, =after:SECONDS or "
                "=after-rounds:N, not '%s'\n",
                text);
        exit(EXIT_FAILURE);
    }
    params->strategy = policy.automatic ? LIBXL_LIVE_MIGRATE_STRATEGY_AUTO
                                        : LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY;
    params->postcopy_after = policy.after;
    if (policy.has_rounds) {
        params->precopy_iterations = policy.rounds;
    }
}

static void parse_option(struct xl_migrate *migrate, int option)
{
    switch (option) {
    case 'C':
        migrate->config_file = optarg;
        break;
    case 'e':
        migrate->no_monitor = true;
        break;
    case 'p':
        migrate->leave_paused = true;
        break;
    case 'D':
        migrate->preserve_domid = true;
        break;
    case OPTION_DEBUG:
        migrate->debug = true;
        break;
    case OPTION_ITERATIONS:
        migrate->sender.params.precopy_iterations =
            parse_number("--precopy-iterations", optarg, UINT32_MAX);
        break;
    case OPTION_THRESHOLD:
        migrate->sender.params.precopy_dirty_threshold =
            parse_number("--precopy-dirty-threshold", optarg, UINT64_MAX);
        break;
    case OPTION_HOT_PAGES:
        migrate->sender.params.hot_pages_max =
            parse_number("--hot-pages", optarg, UINT32_MAX);
        if (!migrate->sender.params.hot_pages_max) {
            migrate->sender.params.hot_pages_max =
                LIBXL_LIVE_MIGRATE_NO_HOT_PAGES;
        }
        break;
    case OPTION_MAX_DOWNTIME:
        migrate->sender.params.max_downtime_ms =
            parse_number("--max-downtime", optarg, UINT32_MAX);
        break;
    case OPTION_NO_BACKGROUND:
        migrate->sender.params.no_background_push = true;
        break;
    case OPTION_PUSH_ORDER:
        migrate->sender.params.push_order = parse_order(optarg);
        break;
    case OPTION_WINDOW_BEFORE:
        migrate->sender.params.window_before =
            parse_window("--window-before", optarg);
        break;
    case OPTION_WINDOW_AFTER:
        migrate->sender.params.window_after =
            parse_window("--window-after", optarg);
        break;
    case OPTION_FAULT_CHANNEL:
        migrate->fault_channel = true;
        migrate->connect_channel = optarg;
        break;
    case OPTION_EXPOSED:
        migrate->sender.params.allow_exposed_backends = true;
        break;
    case OPTION_EARLY_BUILD:
        migrate->sender.params.build = LIBXL_LIVE_MIGRATE_BUILD_EARLY;
        break;
    case OPTION_LATE_BUILD:
        migrate->sender.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
        break;
    case OPTION_POSTCOPY:
        take_policy(&migrate->sender.params, optarg);
        break;
    case OPTION_LIVE: /* always so */
        break;
    default:
        xl_sender_option(&migrate->sender, option);
    }
}

static void parse_options(struct xl_migrate *migrate, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, XL_SENDER_LETTERS "C:epD",
                                 long_options, NULL)) != -1) {
        parse_option(migrate, option);
    }
    xl_sender_arguments(&migrate->sender, argc, argv);
}

/* ---- stages ---- */

static int find_domain(struct xl_migrate *migrate)
{
    if (libxl_domain_qualifier_to_domid(migrate->sender.xl->ctx,
                                        migrate->sender.domain,
                                        &migrate->sender.domid)) {
        fprintf(stderr, "xl: there is no domain '%s' here\n",
                migrate->sender.domain);
        return -1;
    }
    return xl_gate_move(migrate->sender.xl, migrate->sender.domid);
}

static int connect_receiver(struct xl_migrate *migrate)
{
    uint64_t timeout = migrate->sender.params.link_timeout;
    char options[64];
    int used = snprintf(
        options, sizeof(options), "%s%s%s", migrate->no_monitor ? " -e" : "",
        migrate->debug ? " -d" : "", migrate->leave_paused ? " -p" : "");

    if (timeout) {
        snprintf(options + used, sizeof(options) - used,
                 " --link-timeout %" PRIu64, timeout);
    }
    return xl_sender_connect(&migrate->sender, options);
}

static void say_handed_over(struct xl_migrate *migrate)
{
    char *name =
        libxl_domid_to_name(migrate->sender.xl->ctx, migrate->sender.domid);

    fprintf(stderr,
            "xl: The guest was handed over: it may be running at the "
            "destination, until it\n"
            "xl: needs memory that has not come. It is kept here, suspended, "
            "as %s\n"
            "xl: (domain %u): do not resume it. When the destination can be "
            "reached again:\n",
            name ? name : "?", migrate->sender.domid);
    xl_sender_say_recovery(&migrate->sender);
    free(name);
}

/* Nothing goes on from here by itself, and nothing is destroyed. */
static void say_lost(const struct xl_migrate *migrate)
{
    fprintf(stderr,
            "xl: The guest was handed over, and can never be whole at the "
            "destination any more:\n"
            "xl: see xl list and xl migrate-status there. If domain %u is "
            "still here, it has the\n"
            "xl: guest's memory as it was at the stop; the disks have moved "
            "on since.\n",
            migrate->sender.domid);
}

/* -1: it runs here; or XL_EXIT_GONE. */
static int say_where_it_runs(struct xl_migrate *migrate, bool was_suspended)
{
    libxl_dominfo info;
    bool stopped;

    libxl_dominfo_init(&info);
    stopped = libxl_domain_info(migrate->sender.xl->ctx, &info,
                                migrate->sender.domid) ||
              info.shutdown || info.dying;
    libxl_dominfo_dispose(&info);
    fprintf(stderr, "xl: %s\n",
            stopped ? "The guest does not run here any more: see xl list."
                    : "The guest runs on here, as before.");
    /* The stock xl's daemon has taken the suspending for the end. */
    if (!stopped && was_suspended) {
        (void)xl_monitor_succeed(migrate->sender.domid);
    }
    return stopped ? XL_EXIT_GONE : -1;
}

/* To exit with. */
static int report_failure(struct xl_migrate *migrate,
                          const libxl_live_migrate_result *result, int rc,
                          bool transitioned)
{
    fprintf(stderr, "xl: Migration failed (%s, libxl error %d)",
            libxl_live_migrate_phase_to_string(result->phase), rc);
    xl_sender_say_why(&migrate->sender, result);
    if (result->lost) {
        say_lost(migrate);
        return XL_EXIT_GONE;
    }
    if (transitioned) {
        say_handed_over(migrate);
        return XL_EXIT_PAUSED;
    }
    return say_where_it_runs(migrate, result->stats.suspend_us != 0);
}

static libxl_live_migrate_state end_state(int rc, bool transitioned, bool lost)
{
    if (!rc) {
        return LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
    }
    if (lost) {
        return LIBXL_LIVE_MIGRATE_STATE_LOST;
    }
    return transitioned ? LIBXL_LIVE_MIGRATE_STATE_PAUSED
                        : LIBXL_LIVE_MIGRATE_STATE_FAILED;
}

/* For whoever finds the domain here when this process is gone. */
static void keep_recovery(struct xl_migrate *migrate, const char *name)
{
    char *line = xl_sender_recovery(&migrate->sender, name);

    if (line) {
        xl_gate_keep_recovery(migrate->sender.xl, migrate->sender.domid, line);
    }
    free(line);
}

static int move_domain(struct xl_migrate *migrate)
{
    struct xl_sender *sender = &migrate->sender;
    char *name = libxl_domid_to_name(sender->xl->ctx, sender->domid);
    libxl_live_migrate_result result;
    bool transitioned;
    int rc;

    xl_sender_show(sender, name ? name : sender->domain);
    keep_recovery(migrate, name ? name : sender->domain);
    rc = libxl_domain_live_migrate_tuned(
        sender->xl->ctx, sender->domid, sender->transport.send_fd, 0,
        sender->transport.recv_fd, &sender->params, &result, &transitioned,
        NULL);
    xl_progress_end(&sender->progress,
                    end_state(rc, transitioned, result.lost), &result);
    free(name);
    xl_transport_end(&sender->transport);
    xl_fault_channel_end(&migrate->channel);
    if (rc) {
        return report_failure(migrate, &result, rc, transitioned);
    }
    if (result.phase < LIBXL_LIVE_MIGRATE_PHASE_COMPLETE) {
        fprintf(stderr, "xl: The guest has ended at the destination, before "
                        "all of its memory was there.\n");
    }
    return 0;
}

/* 0, -1 or one of XL_EXIT_. */
static int migrate_domain(struct xl_migrate *migrate)
{
    struct xl_sender *sender = &migrate->sender;
    int ret;

    ret = find_domain(migrate);
    if (ret) {
        return ret;
    }
    if (migrate->fault_channel) {
        ret = xl_fault_channel_want(&migrate->channel, sender,
                                    migrate->connect_channel);
        if (ret) {
            return ret;
        }
    }
    migrate->own_config = xl_config_own(sender->xl, sender->domid);
    if (!migrate->own_config) {
        return -1;
    }
    sender->params.sent_config = migrate->own_config;
    migrate->config =
        xl_config_to_send(sender->xl, sender->domid, migrate->config_file,
                          migrate->preserve_domid);
    if (!migrate->config) {
        return -1;
    }
    ret = xl_sender_take_signals(sender);
    if (ret) {
        return ret;
    }
    ret = connect_receiver(migrate);
    if (ret) {
        return say_where_it_runs(migrate, false);
    }
    ret = xl_config_write(sender->transport.send_fd, migrate->config);
    if (ret) {
        return say_where_it_runs(migrate, false);
    }
    ret = move_domain(migrate);
    if (ret) {
        return ret;
    }
    return xl_sender_destroy_source(sender);
}

int xl_main_migrate(struct xl_context *xl, int argc, char **argv)
{
    struct xl_migrate migrate = {.channel = XL_FAULT_CHANNEL_NONE};
    int status;

    xl_sender_init(&migrate.sender, xl, usage);
    parse_options(&migrate, argc, argv);
    if (xl_sender_open(&migrate.sender)) {
        return EXIT_FAILURE;
    }
    status = migrate_domain(&migrate);
    xl_sender_close(&migrate.sender);
    xl_fault_channel_end(&migrate.channel);
    free(migrate.config);
    free(migrate.own_config);
    return status < 0 ? EXIT_FAILURE : status;
}
