/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Tell the network where a guest is, once the guest runs there and not before.
 */
#include "devices/announce.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/device_model.h"
#include "libxl_live_migrate.h"

/* The first QEMU with such an option. */
#define FIRST_THAT_KNOWS 4
/* Where libxl keeps the configuration that it has built a domain with. */
#define KEPT "libxl-json"

static const char *const quiet[] = {"-global", "migration.announce-rounds=0"};
#define QUIET_WORDS (sizeof(quiet) / sizeof(quiet[0]))

/* ---- keeping libxl's QEMU quiet ---- */

static size_t count_words(char *const *words)
{
    size_t count = 0;

    while (words && words[count]) {
        count++;
    }
    return count;
}

int lm_announce_keep_quiet(libxl_domain_config *config,
                           struct lm_qemu_version qemu)
{
    char ***words = &config->b_info.extra_hvm;
    size_t count = count_words(*words);
    char **more;

    if (!qemu.known || qemu.major < FIRST_THAT_KNOWS) {
        return 0;
    }
    more = realloc(*words, (count + QUIET_WORDS + 1) * sizeof(*more));
    if (!more) {
        return -1;
    }
    *words = more;
    more[count] = NULL;
    for (size_t i = 0; i < QUIET_WORDS; i++) {
        more[count + i + 1] = NULL;
        more[count + i] = strdup(quiet[i]);
        if (!more[count + i]) {
            return -1;
        }
    }
    return 0;
}

/* True: the words were there.  They are removed wherever they are; otherwise a
 * later migration of a guest that was built with them would keep them for
 * ever. */
static bool remove_words(char **words)
{
    size_t count = count_words(words);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && !strcmp(words[i], quiet[0]) &&
            !strcmp(words[i + 1], quiet[1])) {
            free(words[i]);
            free(words[i + 1]);
            i++;
        } else {
            words[kept++] = words[i];
        }
    }
    for (size_t i = kept; i < count; i++) {
        words[i] = NULL;
    }
    return kept != count;
}

void lm_announce_restore_config(libxl_domain_config *config)
{
    (void)remove_words(config->b_info.extra_hvm);
}

static int restore_kept(libxl_ctx *ctx, uint32_t domid, const char *json)
{
    libxl_domain_config config;
    char *text = NULL;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_domain_config_from_json(ctx, &config, json);
    if (!rc && remove_words(config.b_info.extra_hvm)) {
        text = libxl_domain_config_to_json(ctx, &config);
        rc = text ? libxl_userdata_store(ctx, domid, KEPT,
                                         (const uint8_t *)text,
                                         strlen(text) + 1)
                  : ERROR_NOMEM;
    }
    free(text);
    libxl_domain_config_dispose(&config);
    return rc;
}

void lm_announce_restore_kept(libxl_ctx *ctx, uint32_t domid)
{
    uint8_t *data = NULL;
    int length = 0;
    char *json;

    if (libxl_userdata_retrieve(ctx, domid, KEPT, &data, &length) || !data) {
        return;
    }
    json = strndup((const char *)data, length);
    free(data);
    /* A word that is left does no harm here. */
    if (json) {
        (void)restore_kept(ctx, domid, json);
    }
    free(json);
}

/* ---- the guest runs ---- */

static void tell_network(xentoollog_logger *logger, uint32_t domid)
{
    struct xlm_context unheard = XLM_CONTEXT_INIT;

    unheard.logger = logger;
    if (lm_device_model_announce(&unheard, domid)) {
        xtl_log(logger, XTL_WARN, -1, "light",
                "the network is not told where domain %" PRIu32 " is: %s",
                domid, unheard.reason);
    }
}

static void *announce(void *data)
{
    struct lm_announcer *announcer = data;

    tell_network(announcer->logger, announcer->domid);
    return NULL;
}

void lm_announcer_start(struct lm_announcer *announcer,
                        xentoollog_logger *logger, uint32_t domid)
{
    announcer->logger = logger;
    announcer->domid = domid;
    announcer->runs =
        !pthread_create(&announcer->thread, NULL, announce, announcer);
}

void lm_announcer_end(struct lm_announcer *announcer)
{
    if (announcer->runs) {
        pthread_join(announcer->thread, NULL);
    }
    announcer->runs = false;
}

/* libxl_domain_info() does not tell an HVM guest from a PVH one; the
 * configuration does. */
static bool is_hvm(libxl_ctx *ctx, uint32_t domid)
{
    libxl_domain_config config;
    bool is;

    libxl_domain_config_init(&config);
    is = !libxl_live_migrate_retrieve_config(ctx, domid, &config) &&
         lm_has_device_model(&config);
    libxl_domain_config_dispose(&config);
    return is;
}

void lm_announcer_start_if_hvm(struct lm_announcer *announcer, libxl_ctx *ctx,
                               xentoollog_logger *logger, uint32_t domid)
{
    if (is_hvm(ctx, domid)) {
        lm_announcer_start(announcer, logger, domid);
    }
}

void lm_taken_back(libxl_ctx *ctx, xentoollog_logger *logger, uint32_t domid)
{
    if (is_hvm(ctx, domid)) {
        tell_network(logger, domid);
    }
}
