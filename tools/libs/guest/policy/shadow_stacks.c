/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does the hypervisor run on supervisor shadow stacks?
 */
#include "policy/shadow_stacks.h"

#include <stddef.h>
#include <string.h>

#define OPTION "cet="

static bool is_one_of(const char *word, size_t length,
                      const char *const words[])
{
    for (size_t i = 0; words[i]; i++) {
        if (strlen(words[i]) == length && !memcmp(word, words[i], length)) {
            return true;
        }
    }
    return false;
}

/* One of the words behind cet=, which are separated by commas. */
static void take_word(const char *word, size_t length, bool *in_use)
{
    static const char *const off[] = {
        "no-shstk",    "shstk=no",      "shstk=off", "shstk=0",
        "shstk=false", "shstk=disable", "no",        "off",
        "0",           "false",         "disable",   NULL,
    };
    static const char *const on[] = {
        "shstk",      "shstk=yes",    "shstk=on", "shstk=1",
        "shstk=true", "shstk=enable", NULL,
    };

    if (is_one_of(word, length, off)) {
        *in_use = false;
    } else if (is_one_of(word, length, on)) {
        *in_use = true;
    }
}

static bool command_line_allows(const char *command_line)
{
    bool in_use = true;

    while (*command_line) {
        size_t length = strcspn(command_line, " ");

        if (!strncmp(command_line, OPTION, strlen(OPTION))) {
            const char *word = command_line + strlen(OPTION);
            const char *end = command_line + length;

            while (word < end) {
                size_t size = strcspn(word, ", ");

                take_word(word, size, &in_use);
                word += size + 1;
            }
        }
        command_line += length;
        command_line += strspn(command_line, " ");
    }
    return in_use;
}

bool xlm_shadow_stacks_in_use(bool processor_has_them,
                              const char *capabilities,
                              const char *command_line)
{
    return processor_has_them && !strstr(capabilities, "xen-3.0-x86_32p") &&
           command_line_allows(command_line);
}
