/* SPDX-License-Identifier: LGPL-2.1-or-later
 * May this domain be moved?  Asked before anything has begun.
 */
#include <errno.h>
#include <string.h>

#include <libxl_utils.h>
#include <xen/hvm/params.h>

#include "call/half.h"
#include "common/common.h"
#include "devices/device_model.h"
#include "devices/exposure.h"
#include "source/recheck.h"
#include "source/source.h"

/* Only libxl's own QEMU, in dom0, can answer the questions. */
static int check_device_model(struct lm_source *source,
                              const libxl_domain_config *config)
{
    const libxl_domain_build_info *info = &config->b_info;
    bool stubdomain =
        !libxl_defbool_is_default(info->device_model_stubdomain) &&
        libxl_defbool_val(info->device_model_stubdomain);

    /* Defaults of libxl may not be filled in. */
    if (info->device_model_version ==
            LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL ||
        stubdomain) {
        xlm_fail(&source->op.xlm,
                 "%s has a device model other than QEMU in dom0: use xl "
                 "migrate without --postcopy",
                 source->name);
        return ERROR_NI;
    }
    source->device_model = true;
    lm_device_ranges(config, source->device_ranges);
    return 0;
}

/* Does QEMU's emulated controller have a USB device of the host? */
static bool has_usb_of_host(const libxl_domain_config *config)
{
    const libxl_domain_build_info *info = &config->b_info;
    char *const *more = info->u.hvm.usbdevice_list;
    const char *one = info->u.hvm.usbdevice;

    if (config->c_info.type != LIBXL_DOMAIN_TYPE_HVM) {
        return false;
    }
    while (more && *more) {
        if (!strncmp(*more++, "host:", 5)) {
            return true;
        }
    }
    return one && !strncmp(one, "host:", 5);
}

/* For any type of guest: what is bound to this host? */
static int check_what_stays(struct lm_source *source,
                            const libxl_domain_config *config)
{
    const libxl_domain_build_info *info = &config->b_info;
    const char *what = NULL;

    if (config->num_pcidevs || config->num_dtdevs || config->num_usbdevs ||
        has_usb_of_host(config)) {
        what = "has a passed-through device: detach it first";
    } else if (info->num_vnuma_nodes) {
        what = "has virtual NUMA nodes (vnuma), which cannot be moved: shut "
               "it down and start it at the destination";
    } else if (!libxl_defbool_is_default(info->disable_migrate) &&
               libxl_defbool_val(info->disable_migrate)) {
        what = "is not to be migrated, by nomigrate=1 in its configuration";
    }
    if (!what) {
        return 0;
    }
    xlm_fail(&source->op.xlm, "%s %s", source->name, what);
    return ERROR_NI;
}

/* Refuse a guest whose move is known to fail, or to break it. */
static int check_config(struct lm_source *source,
                        const libxl_domain_config *config)
{
    int rc = 0;

    switch (config->c_info.type) {
    case LIBXL_DOMAIN_TYPE_PVH:
        break;
    case LIBXL_DOMAIN_TYPE_HVM:
        rc = check_device_model(source, config);
        if (rc) {
            return rc;
        }
        break;
    default:
        xlm_fail(&source->op.xlm,
                 "%s is a PV guest, whose memory cannot be paged: use a PVH "
                 "guest, or xl migrate without --postcopy",
                 source->name);
        return ERROR_NI;
    }
    return check_what_stays(source, config);
}

static int check_state(struct lm_source *source)
{
    libxl_dominfo info;
    const char *state = NULL;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(source->op.ctx, &info, source->domid);
    if (rc) {
        xlm_fail(&source->op.xlm, "there is no domain %u", source->domid);
        goto out;
    }
    if (info.dying) {
        state = "being destroyed";
    } else if (info.shutdown) {
        state = "shut down";
    } else if (info.paused) {
        state = "paused and could not suspend itself: xl unpause it first";
    }
    if (state) {
        xlm_fail(&source->op.xlm, "%s is %s", source->name, state);
        rc = ERROR_INVAL;
    }

out:
    libxl_dominfo_dispose(&info);
    return rc;
}

static int check_domain(struct lm_source *source)
{
    libxl_domain_config config;
    int rc;

    libxl_domain_config_init(&config);
    source->name = libxl_domid_to_name(source->op.ctx, source->domid);
    if (!source->name) {
        xlm_fail(&source->op.xlm, "there is no domain %u", source->domid);
        rc = ERROR_DOMAIN_NOTFOUND;
        goto out;
    }
    rc = libxl_retrieve_domain_configuration(source->op.ctx, source->domid,
                                             &config, NULL);
    if (rc) {
        xlm_fail(&source->op.xlm,
                 "the configuration of %s could not be read (libxl error %d)",
                 source->name, rc);
        goto out;
    }
    rc = check_config(source, &config);
    if (rc) {
        goto out;
    }
    rc = check_state(source);
    if (rc) {
        goto out;
    }
    if (!source->told) {
        source->told =
            lm_config_told(source->op.ctx, &config, &source->op.xlm);
        rc = source->told ? 0 : ERROR_FAIL;
    }

out:
    libxl_domain_config_dispose(&config);
    return rc;
}

/*
 * libxl suspends an HVM guest without Xen drivers without its help, but asks
 * every PVH guest, and gives it a minute.  For libxl a guest has drivers if it
 * has said where it wants its events.
 */
static int check_drivers(struct lm_source *source)
{
    struct xlm_hypervisor *hv = source->op.xlm.hypervisor;
    uint64_t callback = 0;

    if (source->device_model) {
        return 0;
    }
    if (hv->ops->get_param(hv, source->domid, HVM_PARAM_CALLBACK_IRQ,
                           &callback)) {
        xlm_fail(&source->op.xlm, "the parameters of %s could not be read: %s",
                 source->name, strerror(errno));
        return ERROR_FAIL;
    }
    if (!callback) {
        xlm_fail(&source->op.xlm,
                 "%s is a PVH guest without Xen drivers, which cannot be "
                 "suspended: wait if it has just started, else give it a "
                 "kernel that has them",
                 source->name);
        return ERROR_NI;
    }
    return 0;
}

/* Only with postcopy can a back end need a page before it is there. */
static int check_front_ends(struct lm_source *source)
{
    if (!source->limits.postcopy) {
        return 0;
    }
    return lm_check_exposure(&source->op.xlm, source->domid, source->name,
                             source->params.allow_exposed_backends)
               ? ERROR_NI
               : 0;
}

/* Ask the device model itself, before anything has begun. */
static int ask_device_model(struct lm_source *source)
{
    bool has_disks = false;

    source->build = (enum xlm_build)source->params.build;
    if (!source->device_model) {
        return 0;
    }
    if (lm_device_model_check(&source->op.xlm, source->domid) ||
        lm_device_model_has_disks(&source->op.xlm, source->domid,
                                  &has_disks)) {
        return ERROR_NI;
    }
    if (has_disks && source->build == XLM_BUILD_ANY) {
        source->build = XLM_BUILD_LATE_DEVICES;
    }
    return 0;
}

/* A guest whose memory is in two places cannot be moved from here.  Checked
 * before the nodes of this migration replace those of the other.  Without
 * xenstore the migration goes on unseen, as ever: the engine asks the
 * hypervisor. */
static int check_whole(struct lm_source *source)
{
    struct lm_witnesses seen;
    libxl_live_migrate_inspection found;

    if (lm_half_look(source->op.xlm.hypervisor, source->domid, &seen)) {
        return 0;
    }
    lm_half_describe(&seen, &found);
    switch (found.half) {
    case LIBXL_LIVE_MIGRATE_HALF_NONE:
    case LIBXL_LIVE_MIGRATE_HALF_LEAVING: /* show_outside() reports this */
        return 0;
    case LIBXL_LIVE_MIGRATE_HALF_LEFT:
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVING:
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVED:
    case LIBXL_LIVE_MIGRATE_HALF_PAGED:
        break;
    }
    xlm_fail(&source->op.xlm, "domain %u is not a whole guest: %s",
             source->domid, found.text);
    return ERROR_INVAL;
}

int lm_source_check(struct lm_source *source)
{
    static lm_source_stage *const checks[] = {
        check_domain,     check_drivers, check_front_ends,
        ask_device_model, check_whole,   NULL,
    };

    return lm_source_pass(source, checks);
}
