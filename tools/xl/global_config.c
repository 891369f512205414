/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl.conf(5).
 */
#include "global_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>
#include <libxlutil.h>

#include "cpu_list.h"
#include "xen_directories.h"

#define XL_GLOBAL_CONFIG XEN_CONFIG_DIR "/xl.conf"
#define XL_LOCK_FILE XEN_LOCK_DIR "/xl"

/* NULL: there is none, or the library has reported what is wrong with it. */
static XLU_Config *open_config(void)
{
    XLU_Config *config = xlu_cfg_init(stderr, XL_GLOBAL_CONFIG);

    if (config && xlu_cfg_readfile(config, XL_GLOBAL_CONFIG)) {
        xlu_cfg_destroy(config);
        return NULL;
    }
    return config;
}

static void close_config(XLU_Config *config)
{
    if (config) {
        xlu_cfg_destroy(config);
    }
}

/* In the configuration's memory.  NULL: the key is not there. */
static const char *find(XLU_Config *config, const char *key)
{
    const char *value;

    return config && !xlu_cfg_get_string(config, key, &value, 0) ? value
                                                                 : NULL;
}

/* ---- memory ---- */

/* By default, dom0 shrinks unless the hypervisor was told its size. */
static bool dom0_size_is_fixed(struct xl_context *xl)
{
    const libxl_version_info *info = libxl_get_version_info(xl->ctx);
    const char *found = info && info->commandline
                            ? strstr(info->commandline, "dom0_mem=")
                            : NULL;

    return found && (found == info->commandline || found[-1] == ' ');
}

bool xl_global_autoballoon(struct xl_context *xl)
{
    XLU_Config *config = open_config();
    const char *value = find(config, "autoballoon");
    bool result;

    if (value && (!strcmp(value, "on") || !strcmp(value, "1"))) {
        result = true;
    } else if (value && (!strcmp(value, "off") || !strcmp(value, "0"))) {
        result = false;
    } else {
        result = !dom0_size_is_fixed(xl);
    }
    close_config(config);
    return result;
}

char *xl_global_lockfile(void)
{
    XLU_Config *config = open_config();
    const char *value = find(config, "lockfile");
    char *path = strdup(value ? value : XL_LOCK_FILE);

    close_config(config);
    return path;
}

/* ---- processors ---- */

struct node_reader {
    libxl_ctx *ctx;
    libxl_bitmap cpus;
    struct xl_cpu_set set;
};

static const struct xl_cpu_set *node_cpus(unsigned long node, void *data)
{
    struct node_reader *reader = data;

    if (node >= (unsigned long)libxl_get_max_nodes(reader->ctx) ||
        (!reader->cpus.size &&
         libxl_cpu_bitmap_alloc(reader->ctx, &reader->cpus, 0)) ||
        libxl_node_to_cpumap(reader->ctx, node, &reader->cpus)) {
        return NULL;
    }
    reader->set = (struct xl_cpu_set){reader->cpus.map, reader->cpus.size};
    return &reader->set;
}

static const char *read_mask(struct xl_context *xl, const char *list,
                             libxl_bitmap *mask)
{
    struct node_reader reader = {.ctx = xl->ctx};
    const char *problem = "the host's processors cannot be counted";

    libxl_bitmap_init(&reader.cpus);
    if (!libxl_cpu_bitmap_alloc(xl->ctx, mask, 0)) {
        struct xl_cpu_set set = {mask->map, mask->size};

        problem = xl_cpu_list_read(list, &set, node_cpus, &reader);
    }
    libxl_bitmap_dispose(&reader.cpus);
    return problem;
}

/* A vCPU that the guest's configuration does not mention may use all
 * processors. */
static int know_all_vcpus(struct xl_context *xl, libxl_domain_build_info *info)
{
    libxl_bitmap *all;

    if (info->num_vcpu_hard_affinity >= info->max_vcpus) {
        return 0;
    }
    all = realloc(info->vcpu_hard_affinity, info->max_vcpus * sizeof(*all));
    if (!all) {
        return -1;
    }
    info->vcpu_hard_affinity = all;
    while (info->num_vcpu_hard_affinity < info->max_vcpus) {
        libxl_bitmap *next = &all[info->num_vcpu_hard_affinity];

        libxl_bitmap_init(next);
        if (libxl_cpu_bitmap_alloc(xl->ctx, next, 0)) {
            return -1;
        }
        libxl_bitmap_set_any(next);
        info->num_vcpu_hard_affinity++;
    }
    return 0;
}

/* NULL, or why not. */
static const char *apply(struct xl_context *xl, libxl_domain_build_info *info,
                         const libxl_bitmap *mask)
{
    if (know_all_vcpus(xl, info)) {
        return "no memory";
    }
    for (int i = 0; i < info->num_vcpu_hard_affinity; i++) {
        libxl_bitmap *vcpu = &info->vcpu_hard_affinity[i], both;

        libxl_bitmap_init(&both);
        if (libxl_bitmap_and(xl->ctx, &both, vcpu, mask)) {
            return "no memory";
        }
        libxl_bitmap_dispose(vcpu);
        *vcpu = both;
        if (libxl_bitmap_is_empty(vcpu)) {
            return "the guest has a vCPU that may use none of these: give it "
                   "another cpus= (xl migrate -C), or change the list";
        }
    }
    return NULL;
}

static int restrict_by(struct xl_context *xl, XLU_Config *global,
                       const char *key, libxl_domain_build_info *info)
{
    const char *list = find(global, key), *problem;
    libxl_bitmap mask;

    if (!list) {
        return 0;
    }
    libxl_bitmap_init(&mask);
    problem = read_mask(xl, list, &mask);
    if (!problem) {
        problem = apply(xl, info, &mask);
    }
    libxl_bitmap_dispose(&mask);
    if (problem) {
        fprintf(stderr,
                "xl: destination: the processors that xl.conf leaves the "
                "guest, %s: \"%s\": %s\n",
                key, list, problem);
    }
    return problem ? -1 : 0;
}

int xl_global_restrict_cpus(struct xl_context *xl, libxl_domain_config *config)
{
    /* HVM and PVH guests have the same; PV guests are never received. */
    static const char *const keys[] = {"vm.cpumask", "vm.hvm.cpumask"};
    XLU_Config *global = open_config();
    int ret = 0;

    for (size_t i = 0; !ret && i < sizeof(keys) / sizeof(keys[0]); i++) {
        ret = restrict_by(xl, global, keys[i], &config->b_info);
    }
    close_config(global);
    return ret;
}
