/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Many guests at a time, for machines.
 */
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>

#include "utf8.h"

static void put_text(FILE *to, const char *key, const char *text)
{
    fprintf(to, ", \"%s\": ", key);
    if (text && text[0]) {
        lm_utf8_put_json(to, text);
    } else {
        fputs("null", to);
    }
}

static void put_migration(FILE *to, const struct xl_guest *guest)
{
    char *json = guest->status.name[0]
                     ? libxl_live_migrate_status_to_json(&guest->status)
                     : NULL;

    fprintf(to, ", \"migration\": %s}\n", json ? json : "null");
    free(json);
}

static uint64_t elapsed_ms(const struct xl_evacuation *evacuation,
                           const struct xl_guest *guest)
{
    uint64_t until_us =
        xl_fate_is_final(guest->fate) ? guest->ended_us : evacuation->now_us;

    return guest->since_us ? (until_us - guest->since_us) / 1000 : 0;
}

void xl_evacuation_put_guest(FILE *to, const struct xl_evacuation *evacuation,
                             const struct xl_guest *guest)
{
    static const char *const jobs[] = {
        [XL_JOB_MOVE] = "move",
        [XL_JOB_RECOVER] = "recover",
        [XL_JOB_FOLLOW] = "follow",
    };
    const char *host =
        guest->host == XL_NO_HOST ? NULL : evacuation->hosts[guest->host].name;

    fputs("{\"guest\": ", to);
    lm_utf8_put_json(to, guest->name);
    fprintf(to, ", \"domid\": %" PRIu32, guest->domid);
    put_text(to, "job", jobs[guest->job]);
    put_text(to, "state", xl_fate_to_string(guest->fate));
    put_text(to, "host", host);
    put_text(to, "reason", guest->why);
    fprintf(to, ", \"elapsed-ms\": %" PRIu64, elapsed_ms(evacuation, guest));
    put_migration(to, guest);
}

void xl_evacuation_put_end(FILE *to, const struct xl_evacuation *evacuation)
{
    fputs("{\"end\": true", to);
    for (enum xl_fate fate = 0; fate < XL_FATES; fate++) {
        fprintf(to, ", \"%s\": %zu", xl_fate_to_string(fate),
                xl_evacuation_count(evacuation, fate));
    }
    fprintf(to, ", \"exit-status\": %d}\n", xl_evacuation_exit(evacuation));
}
