/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What is seen of many guests at a time.
 */
#include "show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "finding.h"
#include "terminal.h"
#include "utf8.h"
#include "view.h"

#define US_PER_SECOND 1000000u
/* How often the table is drawn. */
#define DRAW_US 500000u

struct xl_shown {
    enum xl_fate fate;
    int host;
    bool postcopy;    /* it runs at the other host */
    uint64_t last_us; /* of objects */
};

int xl_show_begin(struct xl_show *show, const struct xl_options *options,
                  size_t nr_guests)
{
    *show = (struct xl_show){
        .options = options,
        .terminal = !options->json && isatty(STDERR_FILENO),
        .shown = calloc(nr_guests + 1, sizeof(*show->shown)),
    };
    return show->shown ? 0 : -1;
}

/* ---- the table ---- */

static void undraw(struct xl_show *show)
{
    char up[32];

    if (show->drawn) {
        snprintf(up, sizeof(up), "\033[%zuA\r\033[J", show->drawn);
        xl_terminal_control(stderr, up);
    }
    show->drawn = 0;
}

static void draw(struct xl_show *show, const struct xl_evacuation *evacuation)
{
    struct winsize size = {.ws_col = 80, .ws_row = 24};
    size_t rows;
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    if (!to) {
        return;
    }
    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    rows = size.ws_row > 3 ? size.ws_row - 1 : 2;
    xl_evacuation_table(to, size.ws_col, rows, evacuation);
    if (!fclose(to)) {
        undraw(show);
        fputs(text, stderr);
        show->drawn = evacuation->nr_guests + 1 < rows
                          ? evacuation->nr_guests + 1
                          : rows;
    }
    free(text);
    show->drawn_us = evacuation->now_us;
}

/* ---- what has changed ---- */

static bool runs_there(const struct xl_guest *guest)
{
    return guest->seen && guest->fate == XL_FATE_UNDER_WAY &&
           guest->status.phase >= LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY;
}

static bool has_changed(const struct xl_shown *shown,
                        const struct xl_guest *guest)
{
    return shown->fate != guest->fate ||
           shown->postcopy != runs_there(guest) ||
           (guest->fate == XL_FATE_UNDER_WAY && shown->host != guest->host);
}

static void show_change(const struct xl_evacuation *evacuation,
                        const struct xl_guest *guest)
{
    char line[XL_VIEW_MAX];

    xl_evacuation_sentence(line, evacuation, guest);
    fprintf(stderr, "%s\n", line);
}

static void show_guest(struct xl_show *show,
                       const struct xl_evacuation *evacuation, size_t number)
{
    const struct xl_guest *guest = &evacuation->guests[number];
    struct xl_shown *shown = &show->shown[number];
    bool changed = has_changed(shown, guest);

    if (show->options->json &&
        (changed || (guest->fate == XL_FATE_UNDER_WAY &&
                     evacuation->now_us - shown->last_us >= US_PER_SECOND))) {
        xl_evacuation_put_guest(stdout, evacuation, guest);
        shown->last_us = evacuation->now_us;
    } else if (changed && !show->options->json && !show->terminal) {
        show_change(evacuation, guest);
    }
    *shown = (struct xl_shown){guest->fate, guest->host, runs_there(guest),
                               shown->last_us};
}

static void show_all(struct xl_show *show,
                     const struct xl_evacuation *evacuation)
{
    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        show_guest(show, evacuation, i);
    }
    fflush(stdout);
}

void xl_show_update(struct xl_show *show,
                    const struct xl_evacuation *evacuation)
{
    show_all(show, evacuation);
    if (show->terminal && evacuation->now_us - show->drawn_us >= DRAW_US) {
        draw(show, evacuation);
    }
}

/* ---- beside it ---- */

void xl_show_text(struct xl_show *show, const char *text)
{
    undraw(show);
    fputs(text, stderr);
}

/* Findings are for us, or in a look for people. */
void xl_show_said(struct xl_show *show, const char *name,
                  const struct xl_child *child)
{
    char shown[64];
    struct xl_finding finding;

    undraw(show);
    lm_utf8_show(shown, sizeof(shown), name);
    for (size_t i = 0; i < child->nr_lines; i++) {
        if (!xl_finding_read(child->lines[i], &finding)) {
            fprintf(stderr, "%s: %s\n", shown, child->lines[i]);
        }
    }
}

void xl_show_end(struct xl_show *show, const struct xl_evacuation *evacuation)
{
    undraw(show);
    show_all(show, evacuation);
    if (show->options->json) {
        xl_evacuation_put_end(stdout, evacuation);
        fflush(stdout);
    } else {
        xl_evacuation_summary(stderr, evacuation, show->options);
    }
    free(show->shown);
    show->shown = NULL;
}
