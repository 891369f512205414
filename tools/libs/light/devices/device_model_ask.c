/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Questions to a device model before the migration relies on it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "devices/device_model.h"
#include "devices/qmp.h"
#include "utf8.h"

/* This reason does not count, and is no device's: it is about an image format
 * that cannot be open in two places at a time.  Such a guest's devices start
 * late, so its image is not. */
#define ABOUT_FORMAT "format used by node"
/* From this version on query-migrate reports the reasons. */
#define FIRST_WITH_REASONS 6
/* How an earlier version answers a migration that could begin, except that it
 * has no address to go to. */
#define NO_ADDRESS "none"
#define ABOUT_ADDRESS "migration protocol"

static int read_version(struct lm_qmp *qmp, struct lm_qemu_version *version)
{
    const char *const major[] = {"qemu", "major", NULL};
    const char *const minor[] = {"qemu", "minor", NULL};
    yajl_val whole;
    yajl_val numbers[2];

    if (lm_qmp_execute(qmp, "query-version", NULL, -1)) {
        return -1;
    }
    whole = lm_qmp_value(qmp, NULL, yajl_t_object);
    numbers[0] = yajl_tree_get(whole, (const char **)major, yajl_t_number);
    numbers[1] = yajl_tree_get(whole, (const char **)minor, yajl_t_number);
    if (!YAJL_IS_INTEGER(numbers[0]) || !YAJL_IS_INTEGER(numbers[1])) {
        errno = EPROTO;
        return xlm_fail(qmp->xlm, "the device model (QEMU) does not tell its "
                                  "version");
    }
    *version = (struct lm_qemu_version){
        .known = true,
        .major = YAJL_GET_INTEGER(numbers[0]),
        .minor = YAJL_GET_INTEGER(numbers[1]),
    };
    return 0;
}

int lm_device_model_version(struct xlm_context *xlm, uint32_t domid,
                            struct lm_qemu_version *version)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    int rc = lm_qmp_connect_domain(&qmp, xlm, domid, xlm->abort_fd);

    if (!rc) {
        rc = read_version(&qmp, version);
    }
    lm_qmp_close(&qmp);
    return rc;
}

/* ---- what cannot be moved ---- */

static int fail_blocked(struct xlm_context *xlm, const char *why)
{
    char text[200];

    lm_utf8_show(text, sizeof(text), why);
    errno = EOPNOTSUPP;
    return xlm_fail(xlm,
                    "a device of the guest cannot be moved (%s): take it out "
                    "of the guest first",
                    text);
}

static int check_reasons(struct lm_qmp *qmp)
{
    yajl_val reasons;

    if (lm_qmp_execute(qmp, "query-migrate", NULL, -1)) {
        return -1;
    }
    reasons = lm_qmp_value(qmp, "blocked-reasons", yajl_t_array);
    for (size_t i = 0; reasons && i < reasons->u.array.len; i++) {
        const char *why = YAJL_GET_STRING(reasons->u.array.values[i]);

        if (!why || !strstr(why, ABOUT_FORMAT)) {
            return fail_blocked(qmp->xlm, why ? why : "no reason given");
        }
    }
    return 0;
}

/* QEMU checks its devices before it checks the address. */
static int try_to_begin(struct lm_qmp *qmp)
{
    struct xlm_context *ours = qmp->xlm;
    struct xlm_context answer = XLM_CONTEXT_INIT;
    int rc;

    answer.logger = ours->logger;
    qmp->xlm = &answer;
    rc = lm_qmp_execute(qmp, "migrate", "{\"uri\": \"" NO_ADDRESS "\"}", -1);
    qmp->xlm = ours;
    if (!rc || errno != EREMOTEIO) {
        return xlm_fail(ours, "%s",
                        rc ? answer.reason
                           : "the device model (QEMU) accepts an address that "
                             "does not exist");
    }
    if (strstr(answer.reason, ABOUT_ADDRESS) ||
        strstr(answer.reason, ABOUT_FORMAT)) {
        return 0;
    }
    return fail_blocked(ours, answer.reason);
}

int lm_device_model_check(struct xlm_context *xlm, uint32_t domid)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    struct lm_qemu_version version = {0};
    int rc = lm_qmp_connect_domain(&qmp, xlm, domid, xlm->abort_fd);

    if (!rc) {
        rc = read_version(&qmp, &version);
    }
    if (!rc) {
        rc = version.major >= FIRST_WITH_REASONS ? check_reasons(&qmp)
                                                 : try_to_begin(&qmp);
    }
    lm_qmp_close(&qmp);
    return rc;
}

/* ---- whether it sleeps ---- */

int lm_device_model_sleeps(struct xlm_context *xlm, uint32_t domid,
                           bool *sleeps)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    int rc = lm_qmp_connect_domain(&qmp, xlm, domid, xlm->abort_fd);
    const char *status = NULL;

    if (!rc) {
        rc = lm_qmp_execute(&qmp, "query-status", NULL, -1);
    }
    if (!rc) {
        status = YAJL_GET_STRING(lm_qmp_value(&qmp, "status", yajl_t_string));
        *sleeps = status && !strcmp(status, "suspended");
    }
    lm_qmp_close(&qmp);
    return rc;
}

/* ---- its disks ---- */

static bool is_true(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};

    return YAJL_IS_TRUE(yajl_tree_get(object, path, yajl_t_any));
}

static bool is_written(yajl_val disk)
{
    const char *path[] = {"inserted", NULL};
    yajl_val inserted = yajl_tree_get(disk, path, yajl_t_object);

    return inserted && !is_true(inserted, "ro");
}

int lm_device_model_has_disks(struct xlm_context *xlm, uint32_t domid,
                              bool *has)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    int rc = lm_qmp_connect_domain(&qmp, xlm, domid, xlm->abort_fd);
    yajl_val disks;

    if (!rc) {
        rc = lm_qmp_execute(&qmp, "query-block", NULL, -1);
    }
    disks = rc ? NULL : lm_qmp_value(&qmp, NULL, yajl_t_array);
    if (!rc) {
        *has = false;
    }
    for (size_t i = 0; disks && i < disks->u.array.len; i++) {
        *has |= is_written(disks->u.array.values[i]);
    }
    lm_qmp_close(&qmp);
    return rc;
}
