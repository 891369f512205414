/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_libxl.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <libxl_utils.h>
#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "fake_log.h"
#include "fake_xenstore.h"
#include "stream/stream.h"
#include "wire/wire.h"

#define DOMAINS 64
#define RECORD_ROOM (1u << 20)
#define FREE_KIB (1u << 30)
#define NEEDED_KIB 1024
#define USERDATA 32

struct domain {
    char *name; /* NULL: none, or destroyed */
    uint32_t domid;
    struct fake_domain *domain; /* NULL: only expected */
    int disks;
    struct fake_migration *migration;
    unsigned int pauses; /* of a domain that was paused already */
};

/* What is stored with a domain, by a name. */
struct userdata {
    char *key; /* NULL: the slot is free */
    uint32_t domid;
    uint8_t *data;
    int length;
};

struct libxl__ctx {
    xentoollog_logger logger; /* first */
    struct fake_host *host;
    pthread_mutex_t lock; /* for all below */
    struct domain domains[DOMAINS];
    int failures[FAKE_LIBXL_CALLS];
    fake_libxl_change *change; /* NULL: none */
    unsigned int calls;
    struct userdata userdata[USERDATA];
    uint64_t free_kib;
    bool no_hap;
};

static struct fake_host *latest_host;

/* ---- for the tests ---- */

libxl_ctx *fake_libxl_new(struct fake_host *host)
{
    libxl_ctx *ctx = calloc(1, sizeof(*ctx));

    ctx->logger = *fake_logger();
    ctx->host = host;
    ctx->free_kib = FREE_KIB;
    pthread_mutex_init(&ctx->lock, NULL);
    latest_host = host;
    return ctx;
}

void fake_libxl_free(libxl_ctx *ctx)
{
    size_t i;

    for (i = 0; i < DOMAINS; i++) {
        free(ctx->domains[i].name);
    }
    for (i = 0; i < USERDATA; i++) {
        free(ctx->userdata[i].key);
        free(ctx->userdata[i].data);
    }
    pthread_mutex_destroy(&ctx->lock);
    free(ctx);
}

xentoollog_logger *fake_libxl_logger(libxl_ctx *ctx)
{
    return &ctx->logger;
}

void fake_libxl_be_here(libxl_ctx *ctx)
{
    latest_host = ctx->host;
}

struct xlm_hypervisor *xlm_hypervisor_open(xentoollog_logger *logger)
{
    bool ours = logger->vmessage == fake_logger()->vmessage;

    return fake_open(ours ? ((libxl_ctx *)logger)->host : latest_host);
}

static void put(libxl_ctx *ctx, struct domain domain)
{
    size_t i = 0;

    pthread_mutex_lock(&ctx->lock);
    while (ctx->domains[i].name) {
        i++;
    }
    ctx->domains[i] = domain;
    pthread_mutex_unlock(&ctx->lock);
}

void fake_libxl_add(libxl_ctx *ctx, const char *name,
                    struct fake_migration *migration)
{
    /* The guest has Xen drivers. */
    fake_domain_put_param(migration->setup.source, HVM_PARAM_CALLBACK_IRQ, 1);
    put(ctx, (struct domain){
                 .name = strdup(name),
                 .domid = fake_domain_id(migration->setup.source),
                 .domain = migration->setup.source,
                 .migration = migration,
             });
}

void fake_libxl_expect(libxl_ctx *ctx, const char *name,
                       struct fake_migration *migration)
{
    put(ctx, (struct domain){
                 .name = strdup(name),
                 .domid = INVALID_DOMID,
                 .migration = migration,
             });
}

void fake_libxl_config(libxl_ctx *ctx, fake_libxl_change *change)
{
    ctx->change = change;
}

uint32_t fake_libxl_start(libxl_ctx *ctx, const char *name)
{
    struct fake_domain *domain = fake_domain_new(ctx->host, 1, 1, 1);
    uint8_t handle[16];

    memset(handle, 0xee, sizeof(handle)); /* it is another guest */
    fake_domain_set_handle(domain, handle);
    put(ctx, (struct domain){
                 .name = strdup(name),
                 .domid = fake_domain_id(domain),
                 .domain = domain,
             });
    return fake_domain_id(domain);
}

void fake_libxl_fail(libxl_ctx *ctx, enum fake_libxl_call call, int rc)
{
    pthread_mutex_lock(&ctx->lock);
    ctx->failures[call] = rc;
    pthread_mutex_unlock(&ctx->lock);
}

void fake_libxl_host(libxl_ctx *ctx, uint64_t free_kib, bool hap)
{
    ctx->free_kib = free_kib;
    ctx->no_hap = !hap;
}

static int failure(libxl_ctx *ctx, enum fake_libxl_call call)
{
    int rc;

    pthread_mutex_lock(&ctx->lock);
    rc = ctx->failures[call];
    pthread_mutex_unlock(&ctx->lock);
    return rc;
}

unsigned int fake_libxl_calls(libxl_ctx *ctx)
{
    unsigned int calls;

    pthread_mutex_lock(&ctx->lock);
    calls = ctx->calls;
    pthread_mutex_unlock(&ctx->lock);
    return calls;
}

/* ---- looking domains up; a copy, without the name ---- */

static struct domain *slot(libxl_ctx *ctx, const char *name, uint32_t domid)
{
    size_t i;

    for (i = 0; i < DOMAINS; i++) {
        struct domain *domain = &ctx->domains[i];

        if (domain->name &&
            (name ? !strcmp(domain->name, name) : domain->domid == domid)) {
            return domain;
        }
    }
    return NULL;
}

static struct domain look(libxl_ctx *ctx, const char *name, uint32_t domid)
{
    struct domain found = {0};
    const struct domain *domain;

    pthread_mutex_lock(&ctx->lock);
    ctx->calls++;
    domain = slot(ctx, name, domid);
    if (domain) {
        found = *domain;
    }
    pthread_mutex_unlock(&ctx->lock);
    return found;
}

void fake_libxl_set_disks(libxl_ctx *ctx, const char *name, int disks)
{
    pthread_mutex_lock(&ctx->lock);
    slot(ctx, name, 0)->disks = disks;
    pthread_mutex_unlock(&ctx->lock);
}

unsigned int fake_libxl_domains(libxl_ctx *ctx)
{
    unsigned int count = 0;
    size_t i;

    pthread_mutex_lock(&ctx->lock);
    for (i = 0; i < DOMAINS; i++) {
        count += ctx->domains[i].name && ctx->domains[i].domain;
    }
    pthread_mutex_unlock(&ctx->lock);
    return count;
}

bool fake_libxl_has(libxl_ctx *ctx, const char *name)
{
    return look(ctx, name, 0).domain;
}

/* As libxl reads it from xenstore; a domain without that node is of any type
 * but this one. */
static bool is_of_type_invalid(uint32_t domid)
{
    char path[64];
    const char *type;

    snprintf(path, sizeof(path), "/libxl/%u/type", domid);
    type = fake_store_get(path);
    return type && !strcmp(type, "invalid");
}

/* ---- libxl: what is stored with a domain ---- */

static struct userdata *find_userdata(libxl_ctx *ctx, uint32_t domid,
                                      const char *key)
{
    for (size_t i = 0; i < USERDATA; i++) {
        struct userdata *at = &ctx->userdata[i];

        if (key ? at->key && at->domid == domid && !strcmp(at->key, key)
                : !at->key) {
            return at;
        }
    }
    return NULL;
}

static void drop_userdata(struct userdata *userdata)
{
    free(userdata->key);
    free(userdata->data);
    *userdata = (struct userdata){.key = NULL};
}

int libxl_userdata_store(libxl_ctx *ctx, uint32_t domid, const char *key,
                         const uint8_t *data, int length)
{
    struct userdata *at;

    pthread_mutex_lock(&ctx->lock);
    at = find_userdata(ctx, domid, key);
    if (at) {
        drop_userdata(at);
    }
    at = length ? find_userdata(ctx, domid, NULL) : NULL;
    if (at) {
        *at = (struct userdata){
            .key = strdup(key),
            .domid = domid,
            .data = malloc(length),
            .length = length,
        };
        memcpy(at->data, data, length);
    }
    pthread_mutex_unlock(&ctx->lock);
    return 0;
}

int libxl_userdata_retrieve(libxl_ctx *ctx, uint32_t domid, const char *key,
                            uint8_t **data, int *length)
{
    struct userdata *at;

    *data = NULL;
    *length = 0;
    pthread_mutex_lock(&ctx->lock);
    at = find_userdata(ctx, domid, key);
    if (at) {
        *data = malloc(at->length);
        memcpy(*data, at->data, at->length);
        *length = at->length;
    }
    pthread_mutex_unlock(&ctx->lock);
    return 0;
}

int libxl_userdata_unlink(libxl_ctx *ctx, uint32_t domid, const char *key)
{
    return libxl_userdata_store(ctx, domid, key, NULL, 0);
}

/* ---- libxl: what needs no domain ---- */

void libxl_domain_config_init(libxl_domain_config *config)
{
    memset(config, 0, sizeof(*config));
}

void libxl_domain_config_dispose(libxl_domain_config *config)
{
    free(config->c_info.name);
    config->c_info.name = NULL;
}

void libxl_dominfo_init(libxl_dominfo *info)
{
    memset(info, 0, sizeof(*info));
}

void libxl_dominfo_dispose(libxl_dominfo *info)
{
    (void)info;
}

void libxl_domain_restore_params_init(libxl_domain_restore_params *params)
{
    memset(params, 0, sizeof(*params));
}

void libxl_domain_restore_params_dispose(libxl_domain_restore_params *params)
{
    (void)params;
}

bool libxl_defbool_is_default(libxl_defbool value)
{
    return !value.val;
}

bool libxl_defbool_val(libxl_defbool value)
{
    return value.val > 0;
}

int libxl_get_free_memory(libxl_ctx *ctx, uint64_t *kib)
{
    int rc = failure(ctx, FAKE_LIBXL_FREE_MEMORY);

    if (!rc) {
        *kib = ctx->free_kib;
    }
    return rc;
}

void libxl_physinfo_init(libxl_physinfo *info)
{
    memset(info, 0, sizeof(*info));
}

void libxl_physinfo_dispose(libxl_physinfo *info)
{
    (void)info;
}

int libxl_get_physinfo(libxl_ctx *ctx, libxl_physinfo *info)
{
    info->cap_hap = !ctx->no_hap;
    return 0;
}

int libxl_domain_need_memory(libxl_ctx *ctx, libxl_domain_config *config,
                             uint32_t domid, uint64_t *kib)
{
    (void)ctx;
    (void)config;
    (void)domid;
    *kib = NEEDED_KIB;
    return 0;
}

int libxl_set_memory_target(libxl_ctx *ctx, uint32_t domid, int64_t kib,
                            int relative, int enforce)
{
    (void)ctx;
    (void)domid;
    (void)kib;
    (void)relative;
    (void)enforce;
    return ERROR_FAIL;
}

int libxl_wait_for_memory_target(libxl_ctx *ctx, uint32_t domid, int seconds)
{
    (void)ctx;
    (void)domid;
    (void)seconds;
    return ERROR_FAIL;
}

/* ---- libxl: any domain ---- */

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    char *name = NULL;
    const struct domain *domain;

    pthread_mutex_lock(&ctx->lock);
    ctx->calls++;
    domain = slot(ctx, NULL, domid);
    if (domain) {
        name = strdup(domain->name);
    }
    pthread_mutex_unlock(&ctx->lock);
    return name;
}

int libxl_name_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid)
{
    const struct domain domain = look(ctx, name, 0);

    *domid = domain.domid;
    return domain.domain ? 0 : ERROR_INVAL;
}

/* All devices are alike, because no caller changes them. */
static void put_disks(libxl_domain_config *config, int count)
{
    static libxl_device_disk disks[8];

    config->num_disks = count;
    config->disks = count ? disks : NULL;
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
                                        libxl_domain_config *config,
                                        const libxl_asyncop_how *ao_how)
{
    (void)ao_how;
    config->c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    config->c_info.name = libxl_domid_to_name(ctx, domid);
    config->c_info.domid = domid;
    put_disks(config, look(ctx, NULL, domid).disks);
    if (ctx->change) {
        ctx->change(config);
    }
    return config->c_info.name ? 0 : ERROR_FAIL;
}

/* Laid out as libxl does, in the parts that the library reads. */
char *libxl_domain_config_to_json(libxl_ctx *ctx, libxl_domain_config *config)
{
    char disks[32] = "", *json;

    (void)ctx;
    if (config->num_disks) {
        snprintf(disks, sizeof(disks), "    \"disks\": %d,\n",
                 config->num_disks);
    }
    return asprintf(&json,
                    "{\n    \"c_info\": {\n        \"name\": \"%s\",\n"
                    "        \"domid\": %u\n    },\n%s"
                    "    \"on_reboot\": \"restart\"\n}\n",
                    config->c_info.name, config->c_info.domid, disks) < 0
               ? NULL
               : json;
}

int libxl_domain_config_from_json(libxl_ctx *ctx, libxl_domain_config *config,
                                  const char *json)
{
    const char *disks = strstr(json, "\"disks\": ");
    char name[256];

    (void)ctx;
    if (json[0] != '{') {
        return ERROR_FAIL;
    }
    if (sscanf(json, "{ \"c_info\": { \"name\": \"%255[^\"]\", \"domid\": %u",
               name, &config->c_info.domid) != 2) {
        strcpy(name, "of-before");
    }
    config->c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    config->c_info.name = strdup(name);
    put_disks(config, disks ? atoi(disks + strlen("\"disks\": ")) : 0);
    return 0;
}

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    const struct domain domain = look(ctx, NULL, domid);
    struct xlm_domain_info found;
    struct xlm_hypervisor *hv;
    int rc;

    if (!domain.domain) {
        return ERROR_DOMAIN_NOTFOUND;
    }
    hv = fake_open(ctx->host);
    rc = hv->ops->domain_info(hv, domid, &found);
    xlm_hypervisor_close(hv);
    if (rc) {
        return ERROR_DOMAIN_NOTFOUND;
    }
    info->dying = found.dying;
    info->shutdown = found.shutdown;
    info->paused = found.paused;
    info->shutdown_reason = found.shutdown_reason;
    memcpy(&info->uuid, found.handle, sizeof(found.handle));
    /* libxl 4.14 does this for a PVH guest as well. */
    info->domain_type = LIBXL_DOMAIN_TYPE_HVM;
    return 0;
}

int libxl_domain_rename(libxl_ctx *ctx, uint32_t domid, const char *old_name,
                        const char *new_name)
{
    int rc = failure(ctx, FAKE_LIBXL_RENAME);
    struct domain *domain;

    if (rc) {
        return rc;
    }
    pthread_mutex_lock(&ctx->lock);
    ctx->calls++;
    domain = slot(ctx, NULL, domid);
    if (!domain || strcmp(domain->name, old_name) || slot(ctx, new_name, 0)) {
        rc = ERROR_INVAL;
    } else {
        free(domain->name);
        domain->name = strdup(new_name);
        domain->migration->outcome.put_away |=
            domain->domain == domain->migration->setup.source;
    }
    pthread_mutex_unlock(&ctx->lock);
    return rc;
}

int libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *ao_how)
{
    struct domain *domain;

    (void)ao_how;
    if (is_of_type_invalid(domid)) {
        /* The migration has come to this point. */
        libxl_domain_pause(ctx, domid, NULL);
        return ERROR_FAIL;
    }
    pthread_mutex_lock(&ctx->lock);
    ctx->calls++;
    domain = slot(ctx, NULL, domid);
    for (size_t i = 0; i < USERDATA; i++) {
        if (ctx->userdata[i].key && ctx->userdata[i].domid == domid) {
            drop_userdata(&ctx->userdata[i]);
        }
    }
    if (domain) {
        fake_domain_destroy(domain->domain);
        free(domain->name);
        *domain = (struct domain){.name = NULL};
    }
    pthread_mutex_unlock(&ctx->lock);
    return domain ? 0 : ERROR_DOMAIN_NOTFOUND;
}

/* ---- libxl: at the source ---- */

int libxl_domain_pause(libxl_ctx *ctx, uint32_t domid,
                       const libxl_asyncop_how *ao_how)
{
    libxl_dominfo info;
    struct domain *at;

    (void)ao_how;
    if (libxl_domain_info(ctx, &info, domid)) {
        return ERROR_FAIL;
    }
    fake_domain_pause(look(ctx, NULL, domid).domain);
    pthread_mutex_lock(&ctx->lock);
    at = slot(ctx, NULL, domid);
    if (at) {
        at->pauses += info.paused;
    }
    pthread_mutex_unlock(&ctx->lock);
    return 0;
}

/* As Xen counts: true while there is one more. */
static bool takes_a_pause_off(libxl_ctx *ctx, uint32_t domid)
{
    struct domain *at;
    bool off;

    pthread_mutex_lock(&ctx->lock);
    at = slot(ctx, NULL, domid);
    off = at && at->pauses;
    if (off) {
        at->pauses--;
    }
    pthread_mutex_unlock(&ctx->lock);
    return off;
}

int libxl_domain_suspend_only(libxl_ctx *ctx, uint32_t domid,
                              const libxl_asyncop_how *ao_how)
{
    struct fake_migration *migration = look(ctx, NULL, domid).migration;
    int rc = failure(ctx, FAKE_LIBXL_SUSPEND);

    (void)ao_how;
    if (is_of_type_invalid(domid)) {
        return ERROR_FAIL;
    }
    if (migration->script.at_suspend) {
        migration->script.at_suspend(migration);
    }
    if (rc) {
        return rc;
    }
    fake_guest_move(migration->setup.guest, NULL);
    fake_domain_suspend(migration->setup.source);
    fake_domain_put_state(migration->setup.source, XLM_STATE_HVM_CONTEXT,
                          migration->setup.final_context,
                          migration->setup.final_length);
    return failure(ctx, FAKE_LIBXL_SAVE_DEVICES);
}

int libxl_domain_resume(libxl_ctx *ctx, uint32_t domid, int fast,
                        const libxl_asyncop_how *ao_how)
{
    struct fake_migration *migration = look(ctx, NULL, domid).migration;

    (void)fast;
    (void)ao_how;
    if (is_of_type_invalid(domid)) {
        return ERROR_FAIL;
    }
    fake_domain_resume(migration->setup.source);
    fake_guest_move(migration->setup.guest, migration->setup.source);
    return 0;
}

/* ---- libxl: at the destination ---- */

int libxl_domain_unpause(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *ao_how)
{
    const struct domain domain = look(ctx, NULL, domid);
    struct fake_migration *migration = domain.migration;
    int rc = failure(ctx, FAKE_LIBXL_UNPAUSE);

    (void)ao_how;
    if (is_of_type_invalid(domid)) {
        return ERROR_FAIL;
    }
    if (rc) {
        return rc;
    }
    if (takes_a_pause_off(ctx, domid)) {
        return 0;
    }
    /* The guest's drivers write this wherever the guest runs. */
    fake_domain_put_param(domain.domain, HVM_PARAM_CALLBACK_IRQ, 1);
    fake_domain_run(domain.domain);
    fake_guest_move(migration->setup.guest, domain.domain);
    if (domain.domain == migration->outcome.destination) {
        migration->outcome.ran = true;
        if (migration->script.at_run) {
            migration->script.at_run(migration);
        }
    }
    return 0;
}

static bool read_all(int fd, void *buffer, size_t length)
{
    uint8_t *next = buffer;

    while (length) {
        ssize_t got = read(fd, next, length);

        if (got <= 0) {
            return false;
        }
        next += got;
        length -= (size_t)got;
    }
    return true;
}

/* Read the whole of a stream without pages; false: the stream ended too soon.
 */
static bool build(struct fake_domain *domain, int fd)
{
    uint8_t *body = malloc(RECORD_ROOM);
    struct xlm_wire_record_header header;
    bool more;

    more = read_all(fd, body,
                    LM_PROLOGUE_SIZE + sizeof(struct xlm_wire_image_header) +
                        sizeof(struct xlm_wire_domain_header));
    do {
        more = more && read_all(fd, &header, sizeof(header)) &&
               header.length <= RECORD_ROOM - 8 &&
               read_all(fd, body, (header.length + 7) & ~7u);
        if (more) {
            fake_build_record(domain, header.type, body, header.length);
        }
    } while (more && header.type != XLM_REC_END);
    /* Then read libxl's own records up to END. */
    do {
        more = more && read_all(fd, &header, sizeof(header)) &&
               header.length <= RECORD_ROOM - 8 &&
               read_all(fd, body, (header.length + 7) & ~7u) &&
               (header.type == LM_REC_END ||
                header.type == LM_REC_EMULATOR_CONTEXT);
    } while (more && header.type != LM_REC_END);
    free(body);
    return more;
}

static struct fake_domain *create(libxl_ctx *ctx, const char *name)
{
    struct fake_migration *migration;
    struct fake_domain *domain;
    struct domain *expected;

    pthread_mutex_lock(&ctx->lock);
    ctx->calls++;
    expected = slot(ctx, name, 0);
    migration = expected->migration;
    domain =
        fake_domain_new(ctx->host, migration->setup.nr_pfns,
                        migration->setup.max_pages, migration->setup.vcpus);
    expected->domain = domain;
    expected->domid = fake_domain_id(domain);
    migration->outcome.destination = domain;
    pthread_mutex_unlock(&ctx->lock);
    return domain;
}

int libxl_domain_create_restore(libxl_ctx *ctx, libxl_domain_config *config,
                                uint32_t *domid, int restore_fd,
                                int send_back_fd,
                                const libxl_domain_restore_params *params,
                                const libxl_asyncop_how *ao_how,
                                const libxl_asyncprogress_how *console_how)
{
    struct fake_domain *domain = create(ctx, config->c_info.name);
    struct fake_migration *migration =
        look(ctx, config->c_info.name, 0).migration;
    int rc = failure(ctx, FAKE_LIBXL_RESTORE);

    (void)send_back_fd;
    (void)params;
    (void)ao_how;
    (void)console_how;
    *domid = fake_domain_id(domain);
    if (migration->script.at_build) {
        migration->script.at_build(migration);
    }
    /* libxl looks at the domain's type when it attaches devices. */
    if (rc || !build(domain, restore_fd) || is_of_type_invalid(*domid) ||
        (migration->script.at_start &&
         !migration->script.at_start(migration))) {
        libxl_domain_destroy(ctx, *domid, NULL);
        return rc ? rc : ERROR_FAIL;
    }
    return 0;
}

/* ---- what libxl keeps of a domain ---- */

libxl_dominfo *libxl_list_domain(libxl_ctx *ctx, int *count)
{
    libxl_dominfo *list = calloc(DOMAINS, sizeof(*list));
    size_t i;

    *count = 0;
    pthread_mutex_lock(&ctx->lock);
    for (i = 0; i < DOMAINS; i++) {
        if (ctx->domains[i].name && ctx->domains[i].domain) {
            list[(*count)++].domid = ctx->domains[i].domid;
        }
    }
    pthread_mutex_unlock(&ctx->lock);
    for (i = 0; i < (size_t)*count; i++) {
        (void)libxl_domain_info(ctx, &list[i], list[i].domid);
    }
    return list;
}

void libxl_dominfo_list_free(libxl_dominfo *list, int count)
{
    (void)count;
    free(list);
}

const char *libxl_disk_format_to_string(libxl_disk_format format)
{
    static const char *const names[] = {
        [LIBXL_DISK_FORMAT_UNKNOWN] = "unknown",
        [LIBXL_DISK_FORMAT_QCOW] = "qcow",
        [LIBXL_DISK_FORMAT_QCOW2] = "qcow2",
        [LIBXL_DISK_FORMAT_VHD] = "vhd",
        [LIBXL_DISK_FORMAT_RAW] = "raw",
        [LIBXL_DISK_FORMAT_EMPTY] = "empty",
        [LIBXL_DISK_FORMAT_QED] = "qed",
    };

    return names[format];
}

libxl_live_migrate_pager fake_receive_pager(void)
{
    return fake_pager() == XLM_MECHANISM_ACCESS
               ? LIBXL_LIVE_MIGRATE_PAGER_ACCESS
               : LIBXL_LIVE_MIGRATE_PAGER_PAGING;
}
