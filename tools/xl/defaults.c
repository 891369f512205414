/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The file of defaults.
 */
#include "defaults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxlutil.h>

#include "xen_directories.h"

#define PLAIN_MIGRATE "migrate"
#define STOCK "stock"
#define POSTCOPY "--postcopy"

/* ---- the file ---- */

static bool is_known(const char *key)
{
    char other[XL_OPTION_KEY_MAX];

    for (int row = 0; row < XL_NR_OPTIONS; row++) {
        if (xl_option_key(row, other) && !strcmp(key, other)) {
            return true;
        }
    }
    return !strcmp(key, PLAIN_MIGRATE);
}

/* The library that reads the file does not report keys that this program has
 * not asked for. */
static void warn_of_slips(void)
{
    FILE *file = fopen(XL_DEFAULTS_FILE, "re");
    char line[512], key[XL_OPTION_KEY_MAX], equals;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, " %63[A-Za-z0-9_.-] %c", key, &equals) == 2 &&
            equals == '=' && !is_known(key)) {
            fprintf(stderr,
                    "xl: " XL_DEFAULTS_FILE " has a line for %s, "
                    "which is no option\n",
                    key);
        }
    }
    if (file) {
        fclose(file);
    }
}

/* *config is NULL if there is no file.  0, or -1 with a message on stderr. */
static int open_file(XLU_Config **config)
{
    *config = NULL;
    if (access(XL_DEFAULTS_FILE, F_OK) && errno == ENOENT) {
        return 0;
    }
    *config = xlu_cfg_init(stderr, XL_DEFAULTS_FILE);
    if (*config && !xlu_cfg_readfile(*config, XL_DEFAULTS_FILE)) {
        return 0;
    }
    fprintf(stderr, "xl: " XL_DEFAULTS_FILE " cannot be read\n");
    if (*config) {
        xlu_cfg_destroy(*config);
        *config = NULL;
    }
    return -1;
}

/* ---- the command line ---- */

/* The word for a row; *word is NULL if the file does not mention the
 * option. */
static int make_word(XLU_Config *config, int row, char **word)
{
    char key[XL_OPTION_KEY_MAX], wrong[XL_OPTION_WRONG_MAX];
    const char *value;

    *word = NULL;
    if (!xl_option_key(row, key) ||
        xlu_cfg_get_string(config, key, &value, 1)) {
        return 0;
    }
    if (xl_option_default(row, value, word, wrong)) {
        fprintf(stderr, "xl: " XL_DEFAULTS_FILE ": %s = '%s': %s\n", key,
                value, wrong);
        return -1;
    }
    return 0;
}

/* For a bare --postcopy take the file's word for it. */
static char *user_word(char *word, char *postcopy)
{
    return postcopy && !strcmp(word, POSTCOPY) ? postcopy : word;
}

static int add(XLU_Config *config, enum xl_command_id command, int *argc,
               char ***argv)
{
    char **line = calloc(*argc + XL_NR_OPTIONS + 1, sizeof(*line));
    char *word, *postcopy = NULL;
    int count = 0;

    if (!line) {
        return -1;
    }
    line[count++] = (*argv)[0];
    for (int row = 0; row < XL_NR_OPTIONS; row++) {
        if (!xl_option_is_of(command, row)) {
            continue;
        }
        if (make_word(config, row, &word)) {
            free(line);
            return -1;
        }
        if (word && !strncmp(word, POSTCOPY "=", sizeof(POSTCOPY))) {
            postcopy = word;
        } else if (word) {
            line[count++] = word;
        }
    }
    for (int i = 1; i < *argc; i++) {
        line[count++] = user_word((*argv)[i], postcopy);
    }
    *argv = line;
    *argc = count;
    return 0;
}

/* The commands that show and steer take no defaults: an error in the file must
 * not keep a person from using these. */
static bool takes_defaults(enum xl_command_id command)
{
    return command == XL_COMMAND_MIGRATE ||
           command == XL_COMMAND_MIGRATE_ALL ||
           command == XL_COMMAND_RECEIVE || command == XL_COMMAND_RECOVER ||
           command == XL_COMMAND_WAIT || command == XL_COMMAND_LISTEN ||
           command == XL_COMMAND_CONNECT;
}

int xl_defaults_add(enum xl_command_id command, int *argc, char ***argv)
{
    XLU_Config *config;
    int ret;

    if (!takes_defaults(command)) {
        return 0;
    }
    ret = open_file(&config);
    if (ret || !config) {
        return ret;
    }
    warn_of_slips();
    ret = add(config, command, argc, argv);
    xlu_cfg_destroy(config);
    return ret;
}

char *xl_defaults_plain_migrate(void)
{
    const char *value;
    XLU_Config *config;
    char *when = NULL;

    if (open_file(&config) || !config) {
        return NULL;
    }
    if (!xlu_cfg_get_string(config, PLAIN_MIGRATE, &value, 1) &&
        strcmp(value, STOCK)) {
        when = strdup(value);
    }
    xlu_cfg_destroy(config);
    return when;
}
