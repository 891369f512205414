/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Many guests at a time, for people.
 */
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define NAME_WIDTH 20
#define HOST_WIDTH 16

/* In which order guests are shown: by how much they matter to a person. */
static const enum xl_fate by_interest[] = {
    XL_FATE_UNDER_WAY, XL_FATE_LOST,     XL_FATE_PAUSED,
    XL_FATE_LEFT,      XL_FATE_STAYS,    XL_FATE_SHELL,
    XL_FATE_WAITS,     XL_FATE_COULD_GO, XL_FATE_GONE,
};
#define NR_BY_INTEREST (sizeof(by_interest) / sizeof(by_interest[0]))

static const char *host_of(const struct xl_evacuation *evacuation,
                           const struct xl_guest *guest)
{
    return guest->host == XL_NO_HOST ? "-"
                                     : evacuation->hosts[guest->host].name;
}

/* ---- one guest ---- */

static void spell_seconds(char text[24], uint64_t us)
{
    snprintf(text, 24, "%" PRIu64 ".%03" PRIu64 " s", us / 1000000,
             us % 1000000 / 1000);
}

static void describe_gone(char *text, size_t room,
                          const struct xl_guest *guest)
{
    const libxl_live_migrate_stats *stats = &guest->status.stats;
    char stop[24], whole[24];

    spell_seconds(whole, guest->ended_us - guest->since_us);
    if (stats->running_us > stats->suspend_us) {
        spell_seconds(stop, stats->running_us - stats->suspend_us);
        snprintf(text, room, "gone after %s, stopped for %s", whole, stop);
    } else {
        snprintf(text, room, "gone after %s", whole);
    }
}

static void describe_way(char *text, size_t room,
                         const struct xl_evacuation *evacuation,
                         const struct xl_guest *guest)
{
    char line[XL_VIEW_MAX];

    if (guest->seen) {
        xl_view_progress(line, 0, guest->status.phase, &guest->status.stats);
        snprintf(text, room, "%s", line);
    } else if (evacuation->looks_only) {
        snprintf(text, room, "is looked at");
    } else {
        snprintf(text, room, "%s",
                 guest->job == XL_JOB_FOLLOW ? "another process moves it"
                                             : "connecting");
    }
}

static void with_reason(char *text, size_t room, const char *what,
                        const char *why)
{
    char shown[XL_WHY_MAX];

    lm_utf8_show(shown, sizeof(shown), why);
    snprintf(text, room, "%s%s%.440s", what, shown[0] ? ": " : "", shown);
}

/* Describe it as briefly as a table needs. */
static void describe(char text[XL_VIEW_MAX],
                     const struct xl_evacuation *evacuation,
                     const struct xl_guest *guest)
{
    const size_t room = XL_VIEW_MAX;

    switch (guest->fate) {
    case XL_FATE_WAITS:
        with_reason(text, room, "waits", guest->why);
        break;
    case XL_FATE_UNDER_WAY:
        describe_way(text, room, evacuation, guest);
        break;
    case XL_FATE_COULD_GO:
        snprintf(text, room, "could go");
        break;
    case XL_FATE_GONE:
        describe_gone(text, room, guest);
        break;
    case XL_FATE_SHELL:
        with_reason(text, room, "gone; its empty shell is left here",
                    guest->why);
        break;
    case XL_FATE_STAYS:
        with_reason(text, room, "stays here", guest->why);
        break;
    case XL_FATE_PAUSED:
        with_reason(text, room, "paused", guest->why);
        break;
    case XL_FATE_LOST:
        with_reason(text, room, "runs nowhere", guest->why);
        break;
    case XL_FATE_LEFT:
        with_reason(text, room, "on its way", guest->why);
        break;
    case XL_FATES:
        text[0] = '\0';
        break;
    }
}

void xl_evacuation_row(char line[XL_VIEW_MAX], size_t columns,
                       const struct xl_evacuation *evacuation,
                       const struct xl_guest *guest)
{
    char name[NAME_WIDTH + 1], host[HOST_WIDTH + 1], text[XL_VIEW_MAX];

    lm_utf8_show(name, sizeof(name), guest->name);
    lm_utf8_show(host, sizeof(host), host_of(evacuation, guest));
    describe(text, evacuation, guest);
    snprintf(line, XL_VIEW_MAX, "%-*s %-*s %.400s", NAME_WIDTH, name,
             HOST_WIDTH, host, text);
    if (columns && columns < XL_VIEW_MAX) {
        line[columns - 1] = '\0'; /* one that wraps cannot be drawn over */
    }
}

void xl_evacuation_sentence(char line[XL_VIEW_MAX],
                            const struct xl_evacuation *evacuation,
                            const struct xl_guest *guest)
{
    char name[64], host[64], text[XL_VIEW_MAX];

    lm_utf8_show(name, sizeof(name), guest->name);
    lm_utf8_show(host, sizeof(host), host_of(evacuation, guest));
    describe(text, evacuation, guest);
    snprintf(line, XL_VIEW_MAX, "xl: %s%s%s: %.320s", name,
             guest->host == XL_NO_HOST ? "" : " to ",
             guest->host == XL_NO_HOST ? "" : host, text);
}

/* ---- all of them ---- */

void xl_evacuation_counts(char line[XL_VIEW_MAX],
                          const struct xl_evacuation *evacuation)
{
    static const struct {
        enum xl_fate fate;
        const char *text;
    } parts[] = {
        {XL_FATE_GONE, "gone"},
        {XL_FATE_COULD_GO, "could go"},
        {XL_FATE_UNDER_WAY, "under way"},
        {XL_FATE_WAITS, "waiting"},
        {XL_FATE_SHELL, "gone with a shell left here"},
        {XL_FATE_LEFT, "left to another process"},
        {XL_FATE_STAYS, "staying here"},
        {XL_FATE_PAUSED, "paused"},
        {XL_FATE_LOST, "running nowhere"},
    };
    size_t used =
        snprintf(line, XL_VIEW_MAX, "%zu guests", evacuation->nr_guests);
    const char *before = ": ";

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t count = xl_evacuation_count(evacuation, parts[i].fate);

        if (count) {
            used += snprintf(line + used, XL_VIEW_MAX - used, "%s%zu %s",
                             before, count, parts[i].text);
            before = ", ";
        }
    }
}

void xl_evacuation_table(FILE *to, size_t columns, size_t rows,
                         const struct xl_evacuation *evacuation)
{
    char line[XL_VIEW_MAX];
    size_t used = 1;

    xl_evacuation_counts(line, evacuation);
    line[columns && columns < XL_VIEW_MAX ? columns - 1 : XL_VIEW_MAX - 1] =
        '\0';
    fprintf(to, "%s\n", line);
    for (size_t i = 0; i < NR_BY_INTEREST; i++) {
        for (size_t j = 0; j < evacuation->nr_guests && used < rows; j++) {
            if (evacuation->guests[j].fate == by_interest[i]) {
                xl_evacuation_row(line, columns, evacuation,
                                  &evacuation->guests[j]);
                fprintf(to, "%s\n", line);
                used++;
            }
        }
    }
}

/* ---- the end ---- */

static void show_recoveries(FILE *to, const struct xl_evacuation *evacuation,
                            const struct xl_options *options)
{
    struct xl_options one = *options;
    bool said = false;

    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        bool any = false;
        char *line;

        for (size_t j = 0; j < evacuation->nr_guests; j++) {
            any |= evacuation->guests[j].fate == XL_FATE_PAUSED &&
                   evacuation->guests[j].host == (int)i;
        }
        if (!any) {
            continue;
        }
        one.host = evacuation->hosts[i].name;
        line = xl_options_recovery(&one, NULL);
        if (!said) {
            fputs("xl: A paused guest is kept here, suspended: do not resume "
                  "it. When its host can be reached\nxl: again, go on with "
                  "all of them:\n",
                  to);
        }
        fprintf(to, "xl:     %s\n", line ? line : "xl migrate-recover --all");
        free(line);
        said = true;
    }
}

void xl_evacuation_summary(FILE *to, const struct xl_evacuation *evacuation,
                           const struct xl_options *options)
{
    char line[XL_VIEW_MAX];

    for (size_t i = 0; i < NR_BY_INTEREST; i++) {
        for (size_t j = 0; j < evacuation->nr_guests; j++) {
            if (evacuation->guests[j].fate == by_interest[i]) {
                xl_evacuation_row(line, 0, evacuation, &evacuation->guests[j]);
                fprintf(to, "%s\n", line);
            }
        }
    }
    xl_evacuation_counts(line, evacuation);
    fprintf(to, "%s\n", line);
    show_recoveries(to, evacuation, options);
}
