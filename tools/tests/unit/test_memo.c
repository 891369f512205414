/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many outcomes of migrations a host keeps.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeping/memo.h"

#define NOTES 5

static void name_of(uint8_t number, const char *suffix,
                    char name[LM_MEMO_NAME_MAX])
{
    uint8_t id[LM_ID_SIZE] = {number};

    lm_memo_name(id, suffix, name);
}

static bool exists(int directory, uint8_t number, const char *suffix)
{
    char name[LM_MEMO_NAME_MAX];
    struct stat status;

    name_of(number, suffix, name);
    return !fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW);
}

/* The note of migration `number`, which is as old as its number is high. */
static void note(int directory, uint8_t number)
{
    const struct timespec times[2] = {{.tv_sec = 1000 - number},
                                      {.tv_sec = 1000 - number}};
    char name[LM_MEMO_NAME_MAX];

    name_of(number, LM_MEMO_OUTCOME, name);
    assert_int_equal(symlinkat("complete", directory, name), 0);
    assert_int_equal(utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW),
                     0);
}

static void the_oldest_outcomes_go(void **state)
{
    char path[] = "/tmp/test_memo.XXXXXX", name[LM_MEMO_NAME_MAX];
    int directory, fd;

    (void)state;
    assert_non_null(mkdtemp(path));
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(directory >= 0);
    for (uint8_t i = 0; i < NOTES; i++) {
        note(directory, i);
    }
    /* What a killed receiver has kept is no outcome, however old it is. */
    name_of(NOTES, LM_MEMO_KEPT, name);
    fd = openat(directory, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);

    lm_memo_forget(directory, NOTES);
    assert_true(exists(directory, NOTES - 1, LM_MEMO_OUTCOME));
    lm_memo_forget(directory, 2);
    for (uint8_t i = 0; i < NOTES; i++) {
        assert_int_equal(exists(directory, i, LM_MEMO_OUTCOME), i < 2);
    }
    lm_memo_forget(directory, 0);
    assert_false(exists(directory, 0, LM_MEMO_OUTCOME));
    assert_true(exists(directory, NOTES, LM_MEMO_KEPT));

    assert_int_equal(unlinkat(directory, name, 0), 0);
    close(directory);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_outcomes_go),
    };

    return cmocka_run_group_tests_name("memo", tests, NULL, NULL);
}
