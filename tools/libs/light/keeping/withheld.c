/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A domain that is only part of a guest, withheld from libxl.
 */
#include "keeping/withheld.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>
#include <xenstore.h>

#include "common/common.h"
#include "libxl_live_migrate.h"

#define PATH_MAX_OF_TYPE 64
#define TYPE_NODE "type"
/* Beside the nodes of the migration, which go when another one takes over. */
#define KEPT_TYPE_NODE "live-migrate-type"
#define WITHHELD_TYPE "invalid"

/* libxl's name for the configuration, and this library's for the withheld
 * one. */
#define CONFIG_KEY "libxl-json"
#define KEPT_CONFIG_KEY "live-migrate-config"

/* ---- the type ---- */

static void node_path(char path[PATH_MAX_OF_TYPE], uint32_t domid,
                      const char *node)
{
    snprintf(path, PATH_MAX_OF_TYPE, "/libxl/%" PRIu32 "/%s", domid, node);
}

static char *read_node(struct xs_handle *xs, uint32_t domid, const char *node)
{
    char path[PATH_MAX_OF_TYPE];
    unsigned int length;

    node_path(path, domid, node);
    return xs_read(xs, XBT_NULL, path, &length);
}

static bool write_node(struct xs_handle *xs, uint32_t domid, const char *node,
                       const char *value)
{
    char path[PATH_MAX_OF_TYPE];

    node_path(path, domid, node);
    return xs_write(xs, XBT_NULL, path, value, strlen(value));
}

/* Keep the type before it is replaced: if this process is killed in between,
 * another can give the domain back. */
static bool withhold_type(struct xs_handle *xs, uint32_t domid)
{
    char *type = read_node(xs, domid, TYPE_NODE);
    bool done;

    if (!type) {
        return errno == ENOENT; /* libxl has not made it, or it is gone */
    }
    done = !strcmp(type, WITHHELD_TYPE) ||
           (write_node(xs, domid, KEPT_TYPE_NODE, type) &&
            write_node(xs, domid, TYPE_NODE, WITHHELD_TYPE));
    free(type);
    return done;
}

static bool give_back_type(struct xs_handle *xs, uint32_t domid)
{
    char *type = read_node(xs, domid, KEPT_TYPE_NODE);
    char path[PATH_MAX_OF_TYPE];
    bool done;

    if (!type) {
        return errno == ENOENT;
    }
    node_path(path, domid, KEPT_TYPE_NODE);
    done = write_node(xs, domid, TYPE_NODE, type) &&
           (xs_rm(xs, XBT_NULL, path) || errno == ENOENT);
    free(type);
    return done;
}

static int with_store(uint32_t domid,
                      bool (*run)(struct xs_handle *xs, uint32_t domid))
{
    struct xs_handle *xs = xs_open(0);
    int saved_errno;
    bool done = xs && run(xs, domid);

    saved_errno = errno;
    xs_close(xs);
    errno = saved_errno;
    return done ? 0 : -1;
}

void lm_withhold(uint32_t domid, xentoollog_logger *logger)
{
    if (with_store(domid, withhold_type)) {
        xtl_log(logger, XTL_WARN, errno, "light",
                "domain %" PRIu32 " is not a whole guest, and cannot be "
                "hidden from other programs: leave it alone",
                domid);
    }
}

int lm_give_back(uint32_t domid, xentoollog_logger *logger)
{
    if (with_store(domid, give_back_type)) {
        xtl_log(logger, XTL_WARN, errno, "light",
                "domain %" PRIu32
                " could not be given back to libxl: xenstore-write "
                "/libxl/%" PRIu32 "/" TYPE_NODE " pvh (or hvm)",
                domid, domid);
        return -1;
    }
    return 0;
}

/* ---- running ---- */

/* Xen counts up to this many. */
#define PAUSES_MAX 255

static bool is_paused(libxl_ctx *ctx, uint32_t domid)
{
    libxl_dominfo info;
    bool paused;

    libxl_dominfo_init(&info);
    paused = !libxl_domain_info(ctx, &info, domid) && info.paused;
    libxl_dominfo_dispose(&info);
    return paused;
}

/* A stock xl destroy that was refused has paused the domain, once each
 * time. */
int lm_unpause_again(libxl_ctx *ctx, uint32_t domid)
{
    int rc = 0;

    for (int i = 0; i < PAUSES_MAX && !rc && is_paused(ctx, domid); i++) {
        rc = libxl_domain_unpause(ctx, domid, NULL);
    }
    return rc;
}

int lm_let_run(libxl_ctx *ctx, uint32_t domid, xentoollog_logger *logger)
{
    int rc;

    (void)lm_give_back(domid, logger);
    rc = libxl_domain_unpause(ctx, domid, NULL);
    return rc ? rc : lm_unpause_again(ctx, domid);
}

/* ---- the configuration ---- */

static bool exists(libxl_ctx *ctx, uint32_t domid)
{
    libxl_dominfo info;
    bool is;

    libxl_dominfo_init(&info);
    is = !libxl_domain_info(ctx, &info, domid);
    libxl_dominfo_dispose(&info);
    return is;
}

/* From one name to the other: at any time the configuration has one of them.
 * True also when there is none. */
static bool move_config(libxl_ctx *ctx, uint32_t domid, const char *from,
                        const char *to)
{
    uint8_t *data = NULL;
    int length = 0;
    bool done;

    if (libxl_userdata_retrieve(ctx, domid, from, &data, &length)) {
        return false;
    }
    done = !data || !length ||
           (!libxl_userdata_store(ctx, domid, to, data, length) &&
            !libxl_userdata_unlink(ctx, domid, from));
    free(data);
    return done;
}

void lm_withhold_config(libxl_ctx *ctx, uint32_t domid,
                        xentoollog_logger *logger)
{
    if (!move_config(ctx, domid, CONFIG_KEY, KEPT_CONFIG_KEY)) {
        xtl_log(logger, XTL_WARN, -1, "light",
                "the stock xl cannot be kept from saving domain %" PRIu32
                " before all of its memory is there: do not save it",
                domid);
    }
}

int lm_give_back_config(libxl_ctx *ctx, uint32_t domid,
                        xentoollog_logger *logger)
{
    if (exists(ctx, domid) &&
        !move_config(ctx, domid, KEPT_CONFIG_KEY, CONFIG_KEY)) {
        xtl_log(logger, XTL_WARN, -1, "light",
                "domain %" PRIu32
                " has not got back the configuration that libxl keeps of it, "
                "and cannot be migrated or saved",
                domid);
        return -1;
    }
    return 0;
}

/* ---- for programs that use force ---- */

/* The other values as libxl would fill them in; but the name is the domain's
 * own. */
static int config_of_text(libxl_ctx *ctx, uint32_t domid, const char *json,
                          libxl_domain_config *config)
{
    char *name = libxl_domid_to_name(ctx, domid);

    if (!name || libxl_domain_config_from_json(ctx, config, json)) {
        free(name);
        return ERROR_FAIL;
    }
    free(config->c_info.name);
    config->c_info.name = name;
    return 0;
}

int libxl_live_migrate_retrieve_config(libxl_ctx *ctx, uint32_t domid,
                                       libxl_domain_config *config)
{
    uint8_t *json = NULL;
    char *text = NULL;
    int length = 0;
    int rc;

    if (libxl_userdata_retrieve(ctx, domid, KEPT_CONFIG_KEY, &json, &length)) {
        return ERROR_FAIL;
    }
    if (!json || !length) {
        rc = libxl_retrieve_domain_configuration(ctx, domid, config, NULL);
    } else {
        text = strndup((const char *)json, length);
        rc = text ? config_of_text(ctx, domid, text, config) : ERROR_NOMEM;
    }
    free(text);
    free(json);
    return rc;
}

int libxl_live_migrate_release(libxl_ctx *ctx, uint32_t domid)
{
    xentoollog_logger *own = NULL;
    xentoollog_logger *logger = lm_logger(NULL, &own);
    int rc = 0;

    if (!logger) {
        return ERROR_NOMEM;
    }
    if (lm_give_back(domid, logger) ||
        lm_give_back_config(ctx, domid, logger)) {
        rc = ERROR_FAIL;
    }
    xtl_logger_destroy(own);
    return rc;
}
