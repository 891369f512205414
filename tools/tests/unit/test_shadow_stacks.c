/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does the hypervisor run on shadow stacks?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/shadow_stacks.h"

#define WITH_32 "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_64"
#define WITHOUT "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "

static void by_what_dom0_can_learn(void **state)
{
    static const struct {
        bool processor;
        const char *capabilities;
        const char *command_line;
        bool in_use;
    } cases[] = {
        {false, WITHOUT, "", false},
        {true, WITHOUT, "", true},
        /* 32-bit PV guests and shadow stacks exclude each other. */
        {true, WITH_32, "", false},
        {true, WITHOUT, "dom0_mem=4096M loglvl=all", true},
        {true, WITHOUT, "cet=no-shstk", false},
        {true, WITHOUT, "dom0_mem=4G cet=no-shstk loglvl=all", false},
        {true, WITHOUT, "cet=ibt,no-shstk", false},
        {true, WITHOUT, "cet=no-ibt", true},
        {true, WITHOUT, "cet=shstk=0,ibt", false},
        {true, WITHOUT, "cet=off", false},
        {true, WITHOUT, "cet=no-shstk cet=shstk", true},
        {true, WITHOUT, "nocet=no-shstk xcet=no-shstk", true},
        {true, WITHOUT, "pv=no-32", true},
        /* Nothing could be read. */
        {true, "", "", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (xlm_shadow_stacks_in_use(cases[i].processor, cases[i].capabilities,
                                     cases[i].command_line) !=
            cases[i].in_use) {
            fail_msg("case %zu: %s", i, cases[i].command_line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_what_dom0_can_learn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
