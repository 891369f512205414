/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A receiving policy, from its file.
 */
#include "receive_policy_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxlutil.h>

#include "xen_directories.h"

#define NONE "none"
/* At most this many processes are between this one and the daemon that has let
 * the peer in. */
#define ANCESTORS 4
#define COMM_MAX 32

/* ---- who has started us ---- */

/* The name and the parent of a process. */
static bool look_at(pid_t pid, char name[COMM_MAX], pid_t *parent)
{
    char path[64], line[256];
    const char *end = NULL;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file && fgets(line, sizeof(line), file)) {
        end = strrchr(line, ')');
    }
    if (file) {
        fclose(file);
    }
    /* "PID (NAME) STATE PARENT ...", where a name may have parentheses. */
    return end && sscanf(end, ") %*c %d", parent) == 1 &&
           sscanf(line, "%*d (%31[^)]", name) == 1;
}

static bool is_own(void)
{
    char names[ANCESTORS][COMM_MAX];
    const char *ancestors[ANCESTORS];
    pid_t pid = getppid();
    size_t count = 0;

    while (count < ANCESTORS && pid > 1 && look_at(pid, names[count], &pid)) {
        ancestors[count] = names[count];
        count++;
    }
    return xl_receive_policy_is_own(ancestors, count);
}

/* ---- the file ---- */

/* A list of texts, or a single one; NULL if the key is missing.  *bad is set
 * if the value is anything else: no guest may come because of a slip in the
 * file.  The texts belong to the file's configuration. */
static const char **read_list(XLU_Config *config, const char *name, bool *bad)
{
    const char **texts, *text = NULL;
    XLU_ConfigList *list;
    int count = 1;
    int missing = xlu_cfg_get_list(config, name, &list, &count, 1);

    if (missing && xlu_cfg_get_string(config, name, &text, 1)) {
        *bad |= missing != ESRCH;
        return NULL;
    }
    texts = calloc(count + 1, sizeof(*texts));
    *bad |= !texts;
    for (int i = 0; texts && i < count; i++) {
        texts[i] = text ? text : xlu_cfg_get_listitem(list, i);
        *bad |= !texts[i];
    }
    return texts;
}

static long read_memory(XLU_Config *config, bool *bad)
{
    long memory = 0;
    int missing = xlu_cfg_get_long(config, "memory", &memory, 1);

    *bad |= (missing && missing != ESRCH) || memory < 0;
    return memory;
}

/* NULL with a message on stderr.  Without a file the policy is empty, which
 * allows little. */
static XLU_Config *read_file(const char *path)
{
    XLU_Config *config = xlu_cfg_init(stderr, path);

    if (config && access(path, F_OK) && errno == ENOENT &&
        !strcmp(path, XL_RECEIVE_POLICY_FILE)) {
        return config;
    }
    if (config && !xlu_cfg_readfile(config, path)) {
        return config;
    }
    fprintf(stderr,
            "xl: the receiving policy %s cannot be read: this receiver "
            "accepts no guest\n",
            path);
    if (config) {
        xlu_cfg_destroy(config);
    }
    return NULL;
}

static int check(XLU_Config *config, const char *path, const char *json)
{
    char why[XL_RECEIVE_POLICY_WHY_MAX];
    bool bad = false, allowed;
    const char **programs = read_list(config, "programs", &bad);
    const char **disks = read_list(config, "disks", &bad);
    const char **names = read_list(config, "names", &bad);
    const struct xl_receive_policy policy = {
        .programs = programs,
        .disks = disks,
        .names = names,
        .memory_mib = read_memory(config, &bad),
    };

    snprintf(why, sizeof(why),
             "programs, disks and names must be lists of texts, and memory a "
             "number of MiB");
    allowed = !bad && xl_receive_policy_allows(&policy, json, why);
    if (!allowed) {
        fprintf(stderr,
                "xl: destination: the receiving policy %s does not let the "
                "guest in: %s\n",
                path, why);
    }
    free(programs);
    free(disks);
    free(names);
    return allowed ? 0 : -1;
}

int xl_receive_policy_check(const char *option, const char *json)
{
    const char *path = option ? option : XL_RECEIVE_POLICY_FILE;
    XLU_Config *config;
    int rc;

    if (option ? !strcmp(option, NONE) : is_own()) {
        return 0;
    }
    config = read_file(path);
    if (!config) {
        return -1;
    }
    rc = check(config, path, json);
    xlu_cfg_destroy(config);
    return rc;
}

/* ---- peers ---- */

/* At the commas; NULL: no memory. */
static const char **split(char *text)
{
    const char **names = calloc(strlen(text) / 2 + 2, sizeof(*names));
    char *rest = text, *name;

    for (size_t count = 0; names && (name = strsep(&rest, ", "));) {
        if (name[0]) {
            names[count++] = name;
        }
    }
    return names;
}

/* A copy of them, with commas between; NULL: no memory. */
static char *join(const char *const *names)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    for (; to && *names; names++) {
        fprintf(to, "%s,", *names);
    }
    return to && !fclose(to) ? text : NULL;
}

/* What the file has, as --peers would; *text is NULL where it says nothing. */
static int read_peers(const char *path, char **text)
{
    XLU_Config *config = read_file(path);
    const char **names;
    bool bad = false;

    *text = NULL;
    if (!config) {
        return -1;
    }
    names = read_list(config, "peers", &bad);
    if (names && !bad) {
        *text = join(names);
        bad = !*text;
    }
    if (bad) {
        fprintf(stderr,
                "xl: peers in %s must be a list of texts: no host may send "
                "guests\n",
                path);
    }
    free(names);
    xlu_cfg_destroy(config);
    return bad ? -1 : 0;
}

int xl_receive_policy_peers(const char *policy, const char *given,
                            struct xl_peers *peers)
{
    const char *path =
        policy && strcmp(policy, NONE) ? policy : XL_RECEIVE_POLICY_FILE;

    *peers = (struct xl_peers){.names = NULL};
    snprintf(peers->where, sizeof(peers->where), "peers in %s, or to --peers",
             path);
    if (given) {
        snprintf(peers->where, sizeof(peers->where), "%s", "--peers");
        peers->text = strdup(given);
    } else if (read_peers(path, &peers->text)) {
        return -1;
    }
    if (peers->text) {
        peers->names = split(peers->text);
    }
    if ((given && !peers->text) || (peers->text && !peers->names)) {
        perror("xl");
        xl_peers_free(peers);
        return -1;
    }
    return 0;
}

void xl_peers_free(struct xl_peers *peers)
{
    free(peers->names);
    free(peers->text);
    *peers = (struct xl_peers){.names = NULL};
}
