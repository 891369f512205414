/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Guests with disks that a QEMU serves, as users of the library have them:
 * from its public functions down to fake hosts, and a fake QEMU at the source.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_move.h"
#include "fake_qemu.h"
#include "fake_xenstore.h"

#define PAGES 300
#define NAME "guest"
#define INCOMING "guest--incoming"

struct move {
    struct fake_move base;
    libxl_device_disk disk;
    struct fake_qemu server;
    unsigned int opened; /* of the image, at the destination */
    bool damaged;        /* and then while the source held it */
    bool locked;         /* it cannot be opened at all */
    bool seen_withheld;  /* the domain, just before the stop */
};

static struct move *move_of(struct fake_migration *migration)
{
    return migration->data;
}

/* The destination's QEMU opens the image when it starts. */
static bool open_image(struct fake_migration *migration)
{
    struct move *move = move_of(migration);

    move->opened++;
    move->damaged |= !move->server.let_go;
    return !move->locked;
}

static struct move *new_move(libxl_disk_format format)
{
    static char path[] = "/dev/vdb";
    static char vdev[] = "xvda";
    struct move *move = calloc(1, sizeof(*move));
    struct fake_migration *migration = fake_migration_new(PAGES, 2);
    int end;

    fake_move_init(&move->base, migration, NAME, INCOMING);
    migration->data = move;
    migration->script.at_start = open_image;
    for (end = 0; end < 2; end++) {
    }
    move->disk = (libxl_device_disk){
        .pdev_path = path,
        .vdev = vdev,
        .format = format,
        .readwrite = 1,
    };
    move->base.config.disks = &move->disk;
    move->base.config.num_disks = 1;
    move->server = (struct fake_qemu){.major = 5, .running = true};
    fake_qemu_start(&move->server, fake_domain_id(migration->setup.source));
    return move;
}

static void run(struct move *move)
{
    fake_move_run(&move->base);
    fake_qemu_end(&move->server);
}

static void free_move(struct move *move)
{
    fake_guest_stop(move->base.migration->setup.guest);
    move->base.config.num_disks = 0;
    fake_move_dispose(&move->base);
    free(move);
}

static void check_moved(struct move *move, libxl_live_migrate_build build,
                        const char *why)
{
    fake_move_check_build(&move->base, build, why);
    assert_int_equal(move->opened, 1);
    assert_true(fake_libxl_has(move->base.ctxs[1], NAME));
}

/* ---- images that two must not open ---- */

static void qcow2_is_late_by_itself(void **state)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_QCOW2);

    (void)state;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE,
                "its disk xvda is a qcow2 image");
    assert_false(move->damaged);
    assert_true(move->server.let_go);
    free_move(move);
}

/* What would happen to the image. */
static void qcow2_forced_early(void **state)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_QCOW2);

    (void)state;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_EARLY;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_EARLY, "");
    assert_true(move->damaged);
    free_move(move);
}

static void without_writing_early(void **state)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_QCOW2);

    (void)state;
    move->disk.readwrite = 0;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_EARLY, "");
    free_move(move);
}

static void late_as_asked_for(void **state)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_EMPTY);

    (void)state;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE, "as asked for");
    free_move(move);
}

/* ---- what is seen of it from outside ---- */

static void assert_shown(const struct fake_domain *domain)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u/live-migrate/build",
             fake_domain_id(domain));
    assert_non_null(fake_store_get(path));
    assert_string_equal(fake_store_get(path), "late");
    snprintf(path, sizeof(path), "/libxl/%u/live-migrate/late-reason",
             fake_domain_id(domain));
    assert_string_equal(fake_store_get(path), "as asked for");
}

/* As libxl does with each domain. */
static void put_node(const struct fake_domain *domain)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u", fake_domain_id(domain));
    fake_store_put(path, "");
    snprintf(path, sizeof(path), "/libxl/%u/type", fake_domain_id(domain));
    fake_store_put(path, "pvh");
}

static void show_destination(struct fake_migration *migration)
{
    put_node(migration->outcome.destination);
}

/* The destination shows the migration no more once all has come. */
static void check_both(struct fake_migration *migration)
{
    assert_shown(migration->setup.source);
    assert_shown(migration->outcome.destination);
}

static void is_shown_at_both_ends(void **state)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_EMPTY);
    struct fake_migration *migration = move->base.migration;

    (void)state;
    fake_move_cut(&move->base, (struct fake_cut){.octets = FAKE_UNCUT});
    put_node(migration->setup.source);
    migration->script.at_build = show_destination;
    migration->script.at_run = check_both;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE, "as asked for");
    assert_true(migration->outcome.ran);
    assert_shown(migration->setup.source);
    free_move(move);
    fake_store_clear();
}

/* ---- what other programs can do to it ---- */

static void assert_type(const struct fake_domain *domain, const char *type)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u/type", fake_domain_id(domain));
    assert_string_equal(fake_store_get(path), type);
}

static void check_withheld(struct fake_migration *migration)
{
    struct move *move = move_of(migration);
    libxl_ctx *there = move->base.ctxs[1];
    uint32_t domid = fake_domain_id(migration->outcome.destination);

    assert_type(migration->outcome.destination, "invalid");
    assert_int_not_equal(libxl_domain_destroy(there, domid, NULL), 0);
    assert_int_not_equal(libxl_domain_unpause(there, domid, NULL), 0);
    move->seen_withheld = true;
}

static void check_given_back(struct fake_migration *migration)
{
    assert_type(migration->outcome.destination, "pvh");
}

static bool open_given_back(struct fake_migration *migration)
{
    check_given_back(migration);
    return open_image(migration);
}

static struct move *new_withheld_move(void)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_EMPTY);
    struct fake_migration *migration = move->base.migration;

    fake_move_cut(&move->base, (struct fake_cut){.octets = FAKE_UNCUT});
    put_node(migration->setup.source);
    migration->script.at_build = show_destination;
    migration->script.at_suspend = check_withheld;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
    return move;
}

/* The domain is withheld from libxl while libxl waits, and never while libxl
 * itself reads its type. */
static void is_withheld_while_libxl_waits(void **state)
{
    struct move *move = new_withheld_move();
    struct fake_migration *migration = move->base.migration;

    (void)state;
    migration->script.at_start = open_given_back;
    migration->script.at_run = check_given_back;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE, "as asked for");
    assert_true(move->seen_withheld);
    free_move(move);
    fake_store_clear();
}

/* The migration fails while libxl waits: libxl can remove what it has made. */
static void is_given_back_when_given_up(void **state)
{
    struct move *move = new_withheld_move();

    (void)state;
    fake_libxl_fail(move->base.ctxs[0], FAKE_LIBXL_SAVE_DEVICES, ERROR_FAIL);
    run(move);
    assert_int_not_equal(move->base.rcs[1], 0);
    assert_true(move->seen_withheld);
    assert_int_equal(fake_libxl_domains(move->base.ctxs[1]), 0);
    assert_int_equal(move->opened, 0);
    free_move(move);
    fake_store_clear();
}

/* The guest goes on at the source, and so does the process that serves its
 * disk. */
static void image_cannot_be_opened(void **state)
{
    struct move *move = new_move(LIBXL_DISK_FORMAT_QCOW2);

    (void)state;
    move->locked = true;
    run(move);
    assert_int_not_equal(move->base.rcs[0], 0);
    assert_int_not_equal(move->base.rcs[1], 0);
    assert_non_null(strstr(move->base.results[0].reason, "could not build"));
    assert_false(move->base.migration->outcome.transitioned);
    assert_true(fake_domain_running(move->base.migration->setup.source));
    assert_true(fake_libxl_has(move->base.ctxs[0], NAME));
    assert_int_equal(fake_libxl_domains(move->base.ctxs[1]), 0);
    assert_false(move->server.let_go);
    assert_true(move->server.running);
    assert_non_null(strstr(move->server.heard, "cont"));
    free_move(move);
}

/* ---- guests that stay ---- */

static void with_vnuma(libxl_domain_config *config)
{
    config->b_info.num_vnuma_nodes = 1;
}

static void with_nomigrate(libxl_domain_config *config)
{
    config->b_info.disable_migrate.val = 1;
}

static void with_pci(libxl_domain_config *config)
{
    config->num_pcidevs = 1;
}

static void hvm_with_pci(libxl_domain_config *config)
{
    config->c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    config->num_pcidevs = 1;
}

static void hvm_with_usb(libxl_domain_config *config)
{
    config->c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    config->num_usbdevs = 1;
}

static void hvm_with_usb_of_host(libxl_domain_config *config)
{
    static char device[] = "host:1.2";

    config->c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    config->b_info.u.hvm.usbdevice = device;
}

static void hvm_with_nomigrate(libxl_domain_config *config)
{
    config->c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    config->b_info.disable_migrate.val = 1;
}

static void refused_before_anything_begins(void **state)
{
    static const struct {
        fake_libxl_change *change;
        const char *why;
    } cases[] = {
        {with_vnuma, "NUMA"},
        {with_nomigrate, "nomigrate=1"},
        {with_pci, "passed-through"},
        {hvm_with_usb_of_host, "passed-through"},
        {hvm_with_pci, "passed-through"},
        {hvm_with_usb, "passed-through"},
        {hvm_with_nomigrate, "nomigrate=1"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct move *move = new_move(LIBXL_DISK_FORMAT_EMPTY);

        fake_libxl_config(move->base.ctxs[0], cases[i].change);
        run(move);
        assert_int_equal(move->base.rcs[0], ERROR_NI);
        if (!strstr(move->base.results[0].reason, cases[i].why)) {
            fail_msg("%s and not %s", move->base.results[0].reason,
                     cases[i].why);
        }
        assert_true(fake_domain_running(move->base.migration->setup.source));
        assert_int_equal(move->opened, 0);
        free_move(move);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qcow2_is_late_by_itself),
        cmocka_unit_test(qcow2_forced_early),
        cmocka_unit_test(without_writing_early),
        cmocka_unit_test(late_as_asked_for),
        cmocka_unit_test(is_shown_at_both_ends),
        cmocka_unit_test(is_withheld_while_libxl_waits),
        cmocka_unit_test(is_given_back_when_given_up),
        cmocka_unit_test(image_cannot_be_opened),
        cmocka_unit_test(refused_before_anything_begins),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
