/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A list of processors.
 */
#include "cpu_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BITS 8u
#define SEPARATORS ", \t"

struct part {
    bool is_not;
    bool of_nodes;
    unsigned long first;
    unsigned long last;
};

static void change(struct xl_cpu_set *set, unsigned long cpu, bool out)
{
    uint8_t bit = 1u << cpu % BITS;

    if (out) {
        set->map[cpu / BITS] &= ~bit;
    } else {
        set->map[cpu / BITS] |= bit;
    }
}

static bool skip(const char **text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (strncmp(*text, prefix, length)) {
        return false;
    }
    *text += length;
    return true;
}

static bool read_number(const char **text, unsigned long *number)
{
    char *end;

    if (**text < '0' || **text > '9') {
        return false;
    }
    errno = 0;
    *number = strtoul(*text, &end, 10);
    *text = end;
    return !errno;
}

static bool ends_here(const char *text)
{
    return !*text || strchr(SEPARATORS, *text);
}

static bool read_all(const char **text)
{
    const char *at = *text;

    if (!skip(&at, "all") || !ends_here(at)) {
        return false;
    }
    *text = at;
    return true;
}

/* Up to the next separator. */
static bool read_part(const char **text, struct part *part)
{
    part->is_not = skip(text, "^");
    part->of_nodes = skip(text, "nodes:") || skip(text, "node:");
    if (!read_number(text, &part->first)) {
        return false;
    }
    part->last = part->first;
    if (skip(text, "-") && !read_number(text, &part->last)) {
        return false;
    }
    return part->last >= part->first && ends_here(*text);
}

static const char *take_nodes(const struct part *part, struct xl_cpu_set *set,
                              xl_node_cpus *node_cpus, void *data)
{
    for (unsigned long node = part->first; node <= part->last; node++) {
        const struct xl_cpu_set *of = node_cpus(node, data);

        if (!of) {
            return "this host has no such NUMA node";
        }
        for (size_t i = 0; i < of->octets && i < set->octets; i++) {
            set->map[i] = part->is_not ? set->map[i] & ~of->map[i]
                                       : set->map[i] | of->map[i];
        }
    }
    return NULL;
}

static void take_cpus(const struct part *part, struct xl_cpu_set *set)
{
    const unsigned long room = set->octets * BITS;

    for (unsigned long cpu = part->first; cpu <= part->last && cpu < room;
         cpu++) {
        change(set, cpu, part->is_not);
    }
}

const char *xl_cpu_list_read(const char *list, struct xl_cpu_set *set,
                             xl_node_cpus *node_cpus, void *data)
{
    const char *problem = NULL;
    struct part part;

    memset(set->map, 0, set->octets);
    list += strspn(list, SEPARATORS);
    while (!problem && *list) {
        if (read_all(&list)) {
            memset(set->map, 0xff, set->octets);
        } else if (!read_part(&list, &part)) {
            problem = "it is a list like 0-3,^1,node:1 or all";
        } else if (part.of_nodes) {
            problem = take_nodes(&part, set, node_cpus, data);
        } else {
            take_cpus(&part, set);
        }
        list += strspn(list, SEPARATORS);
    }
    return problem;
}
