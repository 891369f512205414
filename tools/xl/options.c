/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The command lines of this project's commands, by the list in options.def.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy_option.h"
#include "rate.h"
#include "transport_command.h"

/* getopt_long() returns this plus the row for an option by its long name. */
#define FIRST_ROW 0x100

/* ---- the list ---- */

struct option_row;

/* Sets the option's field from the text.  0, or -1 with a phrase in wrong. */
typedef int reader(struct xl_options *options, const struct option_row *row,
                   const char *text, char *wrong);

struct option_row {
    unsigned commands; /* a bit for each command that has the option */
    const char *name;  /* without its dashes; NULL: only a letter */
    char letter;       /* 0: none */
    unsigned to;
    const char *help;
    /* The name of the argument; NULL: there is none. */
    const char *argument;
    bool optional;
    reader *read;
    const char *words;  /* the words that the argument may be */
    size_t field, size; /* in struct xl_options */
    uint64_t value;     /* of the field: for options without an argument */
    uint64_t least, most;
    uint64_t none; /* replaces a given 0 */
};

struct command_row {
    const char *name;
    /* --postcopy must be among its options, or the stock xl runs it */
    bool with_postcopy;
    int least, most; /* arguments */
    const char *arguments;
    const char *about;
    const char *after;
};

static reader read_nothing, read_value, read_number, read_rate, read_word,
    read_text, read_texts, read_when;

#define WITH_POSTCOPY true
#define ALWAYS false

static const struct command_row commands[] = {
#define COMMAND(id, name, ours, main, least, most, arguments, guests, about, \
                after) \
    {name, ours, least, most, arguments, about, after},
#include "options.def"
};

enum {
#define COMMAND(id, ...) id = 1 << XL_COMMAND_##id,
#include "options.def"
    EACH_COMMAND = (1 << XL_NR_COMMANDS) - 1,
};

#define FIELD(member) \
    .field = offsetof(struct xl_options, member), \
    .size = sizeof(((struct xl_options *)NULL)->member)
#define FLAG(member) SETS(member, true)
#define SETS(member, setting) \
    .read = read_value, .value = (setting), FIELD(member)
#define NUMBER(what, member, from, to) \
    .argument = (what), .read = read_number, .least = (from), .most = (to), \
    FIELD(member)
#define NUMBER_OR_NONE(what, member, to, nothing) \
    NUMBER(what, member, 0, to), .none = (nothing)
#define RATE(what, member) .argument = (what), .read = read_rate, FIELD(member)
#define WORD(what, member, list) \
    .argument = (what), .read = read_word, .words = (list), FIELD(member)
#define TEXT(what, member) .argument = (what), .read = read_text, FIELD(member)
#define TEXTS(what, member) \
    .argument = (what), .read = read_texts, FIELD(member)
#define TEXT_OR_NOTHING(what, member) TEXT(what, member), .optional = true
#define WHEN(what, list) \
    .argument = (what), .optional = true, .read = read_when, .words = (list)
#define ACCEPTED .read = read_nothing

#define NOWHERE 0u
#define TO_RECEIVER 1u
#define TO_RECOVERY 2u
#define TO_BOTH (TO_RECEIVER | TO_RECOVERY)
#define TO_CONNECTOR 4u
#define TO_CONNECTIONS (TO_CONNECTOR | TO_RECOVERY)
#define TO_EACH 8u

static const struct option_row rows[] = {
#define OPTION(of, long_name, short_name, takes, goes_on, text) \
    {.commands = (of), \
     .name = (long_name), \
     .letter = (short_name), \
     .to = (goes_on), \
     .help = (text), \
     takes},
#include "options.def"
};

static bool has(enum xl_command_id command, const struct option_row *row)
{
    return row->commands & 1u << command;
}

int xl_option_find(enum xl_command_id command, const char *name)
{
    for (int i = 0; i < XL_NR_OPTIONS; i++) {
        const char letter[] = {rows[i].letter, '\0'};

        if (has(command, &rows[i]) &&
            ((rows[i].name && !strcmp(name, rows[i].name)) ||
             (letter[0] && !strcmp(name, letter)))) {
            return i;
        }
    }
    return -1;
}

/* ---- reading an argument ---- */

static int read_nothing(struct xl_options *options,
                        const struct option_row *row, const char *text,
                        char *wrong)
{
    (void)options;
    (void)row;
    (void)text;
    (void)wrong;
    return 0;
}

static void set_field(struct xl_options *options, const struct option_row *row,
                      uint64_t value)
{
    void *field = (char *)options + row->field;

    if (row->size == sizeof(uint64_t)) {
        *(uint64_t *)field = value;
    } else if (row->size == sizeof(uint32_t)) { /* enumerations as well */
        *(uint32_t *)field = value;
    } else {
        *(bool *)field = value;
    }
}

static int read_value(struct xl_options *options, const struct option_row *row,
                      const char *text, char *wrong)
{
    (void)text;
    (void)wrong;
    set_field(options, row, row->value);
    return 0;
}

static int read_number(struct xl_options *options,
                       const struct option_row *row, const char *text,
                       char *wrong)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value < row->least ||
        value > row->most) {
        if (row->most == UINT64_MAX) {
            snprintf(wrong, XL_OPTION_WRONG_MAX,
                     "it is a number, %" PRIu64 " or more", row->least);
        } else {
            snprintf(wrong, XL_OPTION_WRONG_MAX,
                     "it is a number from %" PRIu64 " to %" PRIu64, row->least,
                     row->most);
        }
        return -1;
    }
    set_field(options, row, !value && row->none ? row->none : value);
    return 0;
}

static int read_rate(struct xl_options *options, const struct option_row *row,
                     const char *text, char *wrong)
{
    uint64_t rate;
    const char *why = xl_parse_rate(text, &rate);

    /* A migration whose rate is 0 from the start would never begin. */
    if (why || !rate) {
        snprintf(wrong, XL_OPTION_WRONG_MAX, "%s",
                 why ? why : "nothing would ever be sent");
        return -1;
    }
    set_field(options, row, rate);
    return 0;
}

static int read_word(struct xl_options *options, const struct option_row *row,
                     const char *text, char *wrong)
{
    const char *at = row->words;
    size_t length;

    for (uint64_t place = 0; *at; place++) {
        length = strcspn(at, " ");
        if (strlen(text) == length && !strncmp(text, at, length)) {
            set_field(options, row, place);
            return 0;
        }
        at += length;
        at += strspn(at, " ");
    }
    snprintf(wrong, XL_OPTION_WRONG_MAX, "it is one of: %s", row->words);
    return -1;
}

static int read_text(struct xl_options *options, const struct option_row *row,
                     const char *text, char *wrong)
{
    const char **field = (const char **)((char *)options + row->field);

    (void)wrong;
    /* Without an argument it asks for what was said of it before, by the file
     * of defaults for instance. */
    if (text || !*field) {
        *field = text ? text : "";
    }
    return 0;
}

static int read_texts(struct xl_options *options, const struct option_row *row,
                      const char *text, char *wrong)
{
    struct xl_texts *list = (void *)((char *)options + row->field);
    const char **more =
        realloc(list->texts, (list->count + 1) * sizeof(*list->texts));

    if (!more) {
        snprintf(wrong, XL_OPTION_WRONG_MAX, "out of memory");
        return -1;
    }
    more[list->count++] = text;
    list->texts = more;
    return 0;
}

static int read_when(struct xl_options *options, const struct option_row *row,
                     const char *text, char *wrong)
{
    struct xl_policy policy;

    (void)row;
    if (!xl_parse_policy(text, &policy)) {
        snprintf(wrong, XL_OPTION_WRONG_MAX,
                 "it is now, auto, after:SECONDS or after-rounds:N");
        return -1;
    }
    options->params.strategy = policy.automatic
                                   ? LIBXL_LIVE_MIGRATE_STRATEGY_AUTO
                                   : LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY;
    options->params.postcopy_after = policy.after;
    if (policy.has_rounds) {
        options->params.precopy_iterations = policy.rounds;
    }
    return 0;
}

int xl_option_take(struct xl_options *options, int row, const char *text,
                   char wrong[XL_OPTION_WRONG_MAX])
{
    if (rows[row].read(options, &rows[row], text, wrong)) {
        return -1;
    }
    options->given[row] = text ? text : "";
    return 0;
}

/* ---- defaults ---- */

bool xl_option_is_of(enum xl_command_id command, int row)
{
    return has(command, &rows[row]);
}

bool xl_option_key(int row, char key[XL_OPTION_KEY_MAX])
{
    static const char *const orders[] = {
        "help",      "recover",  "live",    "check", "watch",  "share",
        "completed", "commands", "pass-fd", "only",  "except", "all"};
    const char *name = rows[row].name;

    if (!name || rows[row].read == read_nothing) {
        return false;
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (!strcmp(name, orders[i])) {
            return false;
        }
    }
    snprintf(key, XL_OPTION_KEY_MAX, "%s", name);
    for (char *at = key; (at = strchr(at, '-'));) {
        *at = '_';
    }
    return true;
}

int xl_option_default(int row, const char *value, char **word,
                      char wrong[XL_OPTION_WRONG_MAX])
{
    bool on = !strcmp(value, "1");
    int length;

    *word = NULL;
    snprintf(wrong, XL_OPTION_WRONG_MAX, "it is 0 or 1");
    if (!strcmp(value, "0") && (!rows[row].argument || rows[row].optional)) {
        return 0;
    }
    if (!rows[row].argument || (rows[row].optional && (on || !value[0]))) {
        length = on || rows[row].argument
                     ? asprintf(word, "--%s", rows[row].name)
                     : -1;
    } else {
        length = asprintf(word, "--%s=%s", rows[row].name, value);
    }
    return length < 0 ? -1 : 0;
}

/* ---- the command line ---- */

void xl_options_init(struct xl_options *options, enum xl_command_id command)
{
    *options = (struct xl_options){
        .command = command,
        .ssh_command = xl_ssh_default,
        .max_connections = 256,
    };
    libxl_live_migrate_params_init(&options->params);
}

static int argument_kind(const struct option_row *row)
{
    if (!row->argument) {
        return no_argument;
    }
    return row->optional ? optional_argument : required_argument;
}

/* What getopt_long() needs to know about a command's options. */
static void describe(enum xl_command_id command, struct option *names,
                     char *letters)
{
    for (int i = 0; i < XL_NR_OPTIONS; i++) {
        if (!has(command, &rows[i])) {
            continue;
        }
        if (rows[i].name) {
            *names++ = (struct option){.name = rows[i].name,
                                       .has_arg = argument_kind(&rows[i]),
                                       .val = FIRST_ROW + i};
        }
        if (rows[i].letter) {
            *letters++ = rows[i].letter;
            if (rows[i].argument) {
                *letters++ = ':';
            }
        }
    }
    *names = (struct option){.name = NULL};
    *letters = '\0';
}

/* The row of what getopt_long() has found; -1: none. */
static int row_of(const struct xl_options *options, int found)
{
    const char letter[] = {(char)found, '\0'};

    return found >= FIRST_ROW ? found - FIRST_ROW
                              : xl_option_find(options->command, letter);
}

static int take_next(struct xl_options *options, int found)
{
    const char letter[] = {(char)found, '\0'};
    char wrong[XL_OPTION_WRONG_MAX];
    int row = row_of(options, found);

    if (row < 0) { /* getopt_long() has printed what is wrong */
        xl_options_usage(options->command, stderr);
        return -1;
    }
    if (xl_option_take(options, row, optarg, wrong)) {
        fprintf(stderr, "xl: %s%s '%s': %s\n", rows[row].name ? "--" : "-",
                rows[row].name ? rows[row].name : letter, optarg, wrong);
        return -1;
    }
    return 0;
}

static bool has_arguments(struct xl_options *options, int argc, char **argv)
{
    const struct command_row *command = &commands[options->command];
    int count = argc - optind;
    /* --all stands for the domain. */
    int domains = !options->all && options->command != XL_COMMAND_MIGRATE_ALL;
    int instead = options->all;

    options->domain = domains && count ? argv[optind] : NULL;
    options->host = count > domains ? argv[optind + domains] : NULL;
    options->hosts = argv + optind + domains;
    options->nr_hosts = count > domains ? count - domains : 0;
    count += instead;
    return count >= command->least && count <= command->most;
}

static int take_arguments(struct xl_options *options, int argc, char **argv)
{
    const struct command_row *command = &commands[options->command];

    if (!has_arguments(options, argc, argv)) {
        fprintf(stderr, "xl: %s takes %s\n", command->name,
                command->most ? command->arguments : "no arguments");
        xl_options_usage(options->command, stderr);
        return -1;
    }
    return 0;
}

/* What says so in the file of defaults may not hold for once. */
static void forget_none(const char **text)
{
    if (*text && !strcmp(*text, "none")) {
        *text = NULL;
    }
}

bool xl_options_read(struct xl_options *options, enum xl_command_id command,
                     int argc, char **argv, int *status)
{
    struct option names[XL_NR_OPTIONS + 1];
    char letters[2 * XL_NR_OPTIONS + 1];
    int found;

    xl_options_init(options, command);
    describe(command, names, letters);
    *status = EXIT_FAILURE;
    optind = 0; /* in glibc: start over */
    while ((found = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (take_next(options, found)) {
            return false;
        }
        if (options->help) {
            xl_options_usage(command, stdout);
            *status = EXIT_SUCCESS;
            return false;
        }
    }
    forget_none(&options->tls);
    forget_none(&options->rdma);
    return !take_arguments(options, argc, argv);
}

bool xl_options_try(struct xl_options *options, enum xl_command_id command,
                    int argc, char **argv)
{
    struct option names[XL_NR_OPTIONS + 1];
    char letters[2 * XL_NR_OPTIONS + 1], wrong[XL_OPTION_WRONG_MAX];
    bool good = true;
    int found;

    xl_options_init(options, command);
    describe(command, names, letters);
    optind = 0;
    opterr = 0;
    while ((found = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        int row = row_of(options, found);

        good =
            good && row >= 0 && !xl_option_take(options, row, optarg, wrong);
    }
    opterr = 1;
    return has_arguments(options, argc, argv) && good;
}

/* ---- what goes on ---- */

/* An argument that may be left out stands behind a =, in the same word. */
static void put_optional(FILE *line, const struct option_row *row,
                         const char *argument)
{
    char *word;

    if (!argument[0]) {
        fprintf(line, " --%s", row->name);
    } else if (asprintf(&word, "--%s=%s", row->name, argument) >= 0) {
        xl_put_word(line, word);
        free(word);
    }
}

static void put_option(FILE *line, const struct option_row *row,
                       const char *argument)
{
    if (row->optional) {
        put_optional(line, row, argument);
        return;
    }
    if (row->letter) {
        fprintf(line, " -%c", row->letter);
    } else {
        fprintf(line, " --%s", row->name);
    }
    if (row->argument) {
        xl_put_word(line, argument);
    }
}

static void pass_on(const struct xl_options *options, unsigned to, FILE *line)
{
    for (int i = 0; i < XL_NR_OPTIONS; i++) {
        if (options->given[i] && rows[i].to & to) {
            put_option(line, &rows[i], options->given[i]);
        }
    }
}

static char *pass_on_as_text(const struct xl_options *options, unsigned to)
{
    char *text = NULL;
    size_t length;
    FILE *line = open_memstream(&text, &length);

    if (!line) {
        return NULL;
    }
    pass_on(options, to, line);
    if (fclose(line)) {
        free(text);
        return NULL;
    }
    return text;
}

char *xl_options_for_receiver(const struct xl_options *options)
{
    return pass_on_as_text(options, TO_RECEIVER);
}

char *xl_options_for_connector(const struct xl_options *options)
{
    return pass_on_as_text(options, TO_CONNECTOR);
}

bool xl_options_trace(const struct xl_options *options, const char *end,
                      char **path)
{
    *path = NULL;
    if (options->trace && asprintf(path, "%s.%s", options->trace, end) < 0) {
        *path = NULL;
        return false;
    }
    return true;
}

char *xl_options_recovery(const struct xl_options *options, const char *domain)
{
    char *text = NULL;
    size_t length;
    FILE *line = open_memstream(&text, &length);

    if (!line) {
        return NULL;
    }
    fputs("xl migrate-recover", line);
    pass_on(options, TO_RECOVERY, line);
    xl_put_word(line, domain ? domain : "--all");
    xl_put_word(line, options->host);
    if (fclose(line)) {
        free(text);
        return NULL;
    }
    return text;
}

/* As one word, so that none can be taken for another option. */
static char *word_of(const struct option_row *row, const char *text)
{
    bool bare = !row->argument || (row->optional && !text[0]);
    char *word;

    return asprintf(&word, "--%s%s%s", row->name, bare ? "" : "=",
                    bare ? "" : text) < 0
               ? NULL
               : word;
}

char **xl_options_for_each(const struct xl_options *options,
                           enum xl_command_id command)
{
    char **words = calloc(XL_NR_OPTIONS + 1, sizeof(*words));
    size_t count = 0;

    for (int i = 0; words && i < XL_NR_OPTIONS; i++) {
        const struct option_row *row = &rows[i];

        if (!options->given[i] || !(row->to & TO_EACH) || !row->name ||
            xl_option_find(command, row->name) < 0) {
            continue;
        }
        words[count] = word_of(row, options->given[i]);
        if (!words[count++]) {
            xl_words_free(words);
            return NULL;
        }
    }
    return words;
}

void xl_words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++) {
        free(words[i]);
    }
    free(words);
}

void xl_options_free(struct xl_options *options)
{
    free(options->only.texts);
    free(options->except.texts);
    options->only = options->except = (struct xl_texts){.count = 0};
}

/* ---- the usage ---- */

#define USAGE_COLUMNS 79

/* Write the text from this column on, where the line ends so far. */
static void put_wrapped(FILE *to, int column, const char *text)
{
    int at = column;

    while (*text) {
        int length = strcspn(text, " ");

        if (at > column && at + 1 + length > USAGE_COLUMNS) {
            fprintf(to, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(to, "%s%.*s", at > column ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

/* As a user types it: "-d, --debug", "--postcopy[=WHEN]", "-C FILE". */
static int spell(char *text, size_t room, const struct option_row *row)
{
    const char letter[] = {'-', row->letter, '\0'};
    const char *name = row->name ? row->name : "";
    const char *argument = row->argument ? row->argument : "";

    return snprintf(text, room, "%s%s%s%s%s%s%s", row->letter ? letter : "",
                    row->letter && row->name ? ", " : "",
                    row->name ? "--" : "", name,
                    row->argument ? (row->optional ? "[=" : " ") : "",
                    argument, row->optional ? "]" : "");
}

static void put_options(enum xl_command_id command, FILE *to)
{
    char spelt[64];
    int widest = 0;

    for (int i = 0; i < XL_NR_OPTIONS; i++) {
        if (has(command, &rows[i]) && rows[i].help) {
            int width = spell(spelt, sizeof(spelt), &rows[i]);

            widest = width > widest ? width : widest;
        }
    }
    for (int i = 0; i < XL_NR_OPTIONS; i++) {
        if (has(command, &rows[i]) && rows[i].help) {
            spell(spelt, sizeof(spelt), &rows[i]);
            fprintf(to, "  %-*s  ", widest, spelt);
            put_wrapped(to, widest + 4, rows[i].help);
        }
    }
}

void xl_options_usage(enum xl_command_id command, FILE *to)
{
    const struct command_row *row = &commands[command];

    fprintf(to, "usage: xl %s%s [options]%s%s\n\n", row->name,
            row->with_postcopy ? " --postcopy" : "",
            row->arguments[0] ? " " : "", row->arguments);
    put_wrapped(to, 0, row->about);
    fputc('\n', to);
    put_options(command, to);
    if (row->after) {
        fputc('\n', to);
        put_wrapped(to, 0, row->after);
    }
}

int xl_options_command(const char *name)
{
    for (int i = 0; i < XL_NR_COMMANDS; i++) {
        if (!strcmp(name, commands[i].name)) {
            return i;
        }
    }
    return -1;
}

bool xl_options_needs_postcopy(enum xl_command_id command)
{
    return commands[command].with_postcopy;
}

void xl_options_list(FILE *to)
{
    char name[64];

    for (int i = 0; i < XL_NR_COMMANDS; i++) {
        snprintf(name, sizeof(name), "%s%s", commands[i].name,
                 commands[i].with_postcopy ? " --postcopy" : "");
        fprintf(to, " %-27s ", name);
        put_wrapped(to, 29, commands[i].about);
    }
}
