/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver leaves in a file for a process that takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeping/kept.h"
#include "policy/pfn_set.h"

#define PFNS 1000
#define DOMID 7

static const uint8_t handle[16] = "of the domain";

static struct xlm_identity new_identity(void)
{
    struct xlm_identity identity = {.pfns = PFNS};

    assert_int_equal(getrandom(identity.id, sizeof(identity.id), 0),
                     sizeof(identity.id));
    memset(identity.uuid, 0x77, sizeof(identity.uuid));
    return identity;
}

static void path_of(const struct xlm_identity *identity, char *path,
                    size_t size)
{
    char name[LM_MEMO_NAME_MAX];

    lm_memo_name(identity->id, LM_MEMO_KEPT, name);
    snprintf(path, size, LM_MEMO_PARENT "/live-migrate/%s", name);
}

/* By another process, which is killed. */
static void leave(const struct xlm_identity *identity, uint64_t pfn)
{
    pid_t child = fork();
    int status;

    if (!child) {
        struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;
        struct lm_kept kept;

        if (lm_kept_create(&kept, identity, DOMID, handle) ||
            xlm_pfn_set_lend(&set, lm_kept_words(&kept), PFNS)) {
            _exit(1);
        }
        xlm_pfn_set_add(&set, pfn);
        kept.state->go_taken = 1;
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void it_outlives_its_process(void **state)
{
    const struct xlm_identity identity = new_identity();
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;
    struct lm_kept kept;

    (void)state;
    leave(&identity, PFNS - 1);
    assert_int_equal(lm_kept_open(&kept, identity.id, &identity), 0);
    assert_int_equal(kept.state->domid, DOMID);
    assert_true(kept.state->go_taken);
    assert_true(lm_kept_lacks_pages(&kept));
    assert_int_equal(xlm_pfn_set_lend(&set, lm_kept_words(&kept), PFNS), 0);
    assert_int_equal(set.count, 1);
    assert_true(xlm_pfn_set_remove(&set, PFNS - 1));
    assert_false(lm_kept_lacks_pages(&kept));
    xlm_pfn_set_dispose(&set);
    lm_kept_close(&kept, true);
    assert_int_equal(lm_kept_open(&kept, identity.id, NULL), -1);
    assert_int_equal(errno, ENOENT);
}

static void one_at_a_time(void **state)
{
    const struct xlm_identity identity = new_identity();
    struct lm_kept mine, another;

    (void)state;
    assert_int_equal(lm_kept_create(&mine, &identity, DOMID, handle), 0);
    assert_int_equal(lm_kept_create(&another, &identity, DOMID, handle), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(lm_kept_open(&another, identity.id, &identity), -1);
    assert_int_equal(errno, EBUSY);
    lm_kept_close(&mine, false);
    assert_int_equal(lm_kept_open(&another, identity.id, &identity), 0);
    lm_kept_close(&another, true);
    lm_kept_close(&another, true); /* harmless */
}

/* The id is right, and the guest another one: the call does not even wait for
 * its file. */
static void of_another_guest(void **state)
{
    const struct xlm_identity identity = new_identity();
    struct xlm_identity other = identity;
    struct lm_kept mine, another;

    (void)state;
    other.uuid[15]++;
    assert_int_equal(lm_kept_create(&mine, &identity, DOMID, handle), 0);
    assert_int_equal(lm_kept_open(&another, identity.id, &other), -1);
    assert_int_equal(errno, ENOENT);
    lm_kept_close(&mine, true);
}

/* The source's highest pfn has grown since. */
static void the_source_has_grown(void **state)
{
    const struct xlm_identity identity = new_identity();
    struct xlm_identity grown = identity;
    struct lm_kept kept;

    (void)state;
    grown.pfns += 10 * PFNS;
    leave(&identity, PFNS - 1);
    assert_int_equal(lm_kept_open(&kept, identity.id, &grown), 0);
    assert_int_equal(kept.state->identity.pfns, PFNS);
    assert_true(lm_kept_lacks_pages(&kept));
    lm_kept_close(&kept, true);
}

static void cut_or_of_another_version(void **state)
{
    const struct xlm_identity identity = new_identity();
    struct lm_kept kept;
    char path[256];

    (void)state;
    path_of(&identity, path, sizeof(path));
    leave(&identity, 1);
    assert_int_equal(lm_kept_open(&kept, identity.id, NULL), 0);
    kept.state->version++;
    lm_kept_close(&kept, false);
    assert_int_equal(lm_kept_open(&kept, identity.id, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(unlink(path), 0);

    leave(&identity, 1);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(lm_kept_open(&kept, identity.id, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(lm_kept_open(&kept, identity.id, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_outlives_its_process),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(of_another_guest),
        cmocka_unit_test(the_source_has_grown),
        cmocka_unit_test(cut_or_of_another_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
