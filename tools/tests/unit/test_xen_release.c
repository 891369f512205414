/* SPDX-License-Identifier: LGPL-2.1-or-later
 * On which hypervisor a library that was built for another release is
 * refused, and with which reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/release.h"

static void fits_or_not(void **state)
{
    static const struct {
        struct xlm_xen_interface ours;
        struct xlm_xen_found found;
        const char *said[3]; /* {NULL}: not refused */
    } cases[] = {
        {{0x12, 0x13}, {4, 14, false}, {NULL}},
        {{0x13, 0x13}, {4, 15, false}, {NULL}},
        {{0x14, 0x14}, {4, 16, false}, {NULL}},
        {{0x15, 0x15}, {4, 17, false}, {NULL}},
        {{0x16, 0x15}, {4, 18, false}, {NULL}},
        {{0x17, 0x15}, {4, 19, false}, {NULL}},
        {{0x17, 0x15}, {4, 20, false}, {NULL}},
        {{0x17, 0x16}, {4, 21, false}, {NULL}},
        {{0x18, 0x16}, {4, 22, false}, {NULL}},
        /* The interface that the hypervisor accepts decides, whatever version
         * it reports. */
        {{0x18, 0x16}, {4, 23, false}, {NULL}},
        /* A hypervisor of the other release; the reason names both. */
        {{0x15, 0x15},
         {4, 20, true},
         {"this host runs Xen 4.20 (domctl interface 0x17, sysctl 0x15)",
          "was built for Xen 4.17 (0x15, 0x15)",
          "built for Xen 4.20, or boot Xen 4.17"}},
        /* Only the sysctls differ. */
        {{0x17, 0x15},
         {4, 21, true},
         {"runs Xen 4.21 (domctl interface 0x17, sysctl 0x16)",
          "was built for Xen 4.19 to 4.20 (0x17, 0x15)",
          "or boot Xen 4.19 to 4.20"}},
        /* A release that this library does not know. */
        {{0x18, 0x16},
         {4, 23, true},
         {"runs a Xen 4.23 whose interface is not known",
          "known are Xen 4.14 to 4.22: boot Xen 4.22",
          "install a version of this program that knows the Xen here"}},
        {{0x15, 0x15},
         {5, 17, true},
         {"runs a Xen 5.17 whose interface is not known",
          "refuses that of Xen 4.17 (domctl 0x15, sysctl 0x15)",
          "boot Xen 4.17"}},
        /* It reports the number of a known release and has another interface.
 */
        {{0x15, 0x15},
         {4, 17, true},
         {"runs a Xen 4.17 whose interface is not known",
          "known are Xen 4.14 to 4.22", "boot Xen 4.17"}},
        /* The library was built for an unknown release, whose interface fits
         * or not. */
        {{0x19, 0x16},
         {4, 23, false},
         {"built for a Xen that it does not know (domctl interface 0x19, "
          "sysctl 0x16)",
          "this host runs Xen 4.23: known are Xen 4.14 to 4.22",
          "build it with the headers of one of these"}},
        {{0x12, 0x12},
         {4, 14, true},
         {"does not know (domctl interface 0x12, sysctl 0x12)",
          "this host runs Xen 4.14", "known are Xen 4.14 to 4.22"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[XLM_XEN_TEXT_MAX] = "untouched";
        bool wrong = xlm_xen_explain(&cases[i].ours, &cases[i].found, text);

        if (wrong != !!cases[i].said[0] ||
            !strcmp(text, "untouched") == wrong) {
            fail_msg("case %zu: %d, %s", i, wrong, text);
        }
        for (size_t j = 0; j < 3 && cases[i].said[j]; j++) {
            if (!strstr(text, cases[i].said[j])) {
                fail_msg("case %zu lacks '%s': %s", i, cases[i].said[j], text);
            }
        }
    }
}

/* The longest reason is not cut off: its end says what to do. */
static void has_room(void **state)
{
    const struct xlm_xen_interface strange = {UINT32_MAX, UINT32_MAX};
    const struct xlm_xen_interface known = {0x17, 0x15};
    const struct xlm_xen_found found = {UINT32_MAX, UINT32_MAX, true};
    char text[XLM_XEN_TEXT_MAX];

    (void)state;
    assert_true(xlm_xen_explain(&strange, &found, text));
    assert_non_null(strstr(text, "that knows the other"));
    assert_true(xlm_xen_explain(&known, &found, text));
    assert_non_null(strstr(text, "that knows the Xen here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_or_not),
        cmocka_unit_test(has_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
