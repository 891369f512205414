/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Lists of processors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu_list.h"

/* A host of 16 processors in two nodes. */
#define OCTETS 2
#define NODES 2

static const struct xl_cpu_set *node_cpus(unsigned long node, void *data)
{
    static uint8_t maps[NODES][OCTETS] = {{0xff, 0}, {0, 0xff}};
    static struct xl_cpu_set set;

    (void)data;
    set = (struct xl_cpu_set){maps[node % NODES], OCTETS};
    return node < NODES ? &set : NULL;
}

static const char *read_list(const char *list, uint8_t map[OCTETS])
{
    struct xl_cpu_set set = {map, OCTETS};

    return xl_cpu_list_read(list, &set, node_cpus, NULL);
}

static void lists_that_are_good(void **state)
{
    static const struct {
        const char *list;
        uint8_t low, high;
    } cases[] = {
        {"0", 0x01, 0},
        {"0-3", 0x0f, 0},
        {"0-3,^1", 0x0d, 0},
        {"7-8", 0x80, 0x01},
        {"all", 0xff, 0xff},
        {"all,^0-7", 0, 0xff},
        {"node:1", 0, 0xff},
        {"nodes:0-1,^nodes:0", 0, 0xff},
        {"0-9,^node:0", 0, 0x03},
        {" 2, 4 ", 0x14, 0},
        {"", 0, 0},
        {"15-4000000000", 0, 0x80}, /* up to the last */
        {"99", 0, 0},
    };
    uint8_t map[OCTETS];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(map, 0xa5, sizeof(map));
        assert_null(read_list(cases[i].list, map));
        assert_int_equal(map[0], cases[i].low);
        assert_int_equal(map[1], cases[i].high);
    }
}

static void lists_that_are_bad(void **state)
{
    static const char *const lists[] = {
        "x",      "3-1",      "1-",
        "-1",     "^all",     "nodes:all",
        "0;1",    "allow",    "1 - 3",
        "node:2", "nodes:0-", "+1",
        "0x3",    "^",        "node:",
        "1-2-3",  "all-1",    "nodes:0-2",
        "1,x",    "all0-3",   "99999999999999999999999",
    };
    uint8_t map[OCTETS];

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_non_null(read_list(lists[i], map));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_that_are_good),
        cmocka_unit_test(lists_that_are_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
