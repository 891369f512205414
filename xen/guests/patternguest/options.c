/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "options.h"
#include "pacer.h"

struct word {
    const char *text;
    unsigned int length;
};

static bool equals(struct word word, const char *text)
{
    unsigned int i;

    for (i = 0; i < word.length; i++) {
        if (text[i] != word.text[i]) {
            return false;
        }
    }
    return text[i] == '\0';
}

static bool read_number(struct word word, uint64_t *number)
{
    uint64_t value = 0;
    unsigned int i;

    for (i = 0; i < word.length; i++) {
        if (word.text[i] < '0' || word.text[i] > '9' || i == 9) {
            return false;
        }
        value = value * 10 + (uint64_t)(word.text[i] - '0');
    }
    if (word.length == 0) {
        return false;
    }
    *number = value;
    return true;
}

/* A number, or one of two words that stand for one. */
static bool read_amount(struct word word, const char *most_name,
                        uint64_t *amount)
{
    if (equals(word, most_name)) {
        *amount = UINT64_MAX;
        return true;
    }
    if (equals(word, "none")) {
        *amount = 0;
        return true;
    }
    return read_number(word, amount);
}

static bool read_milliseconds(struct word word, uint64_t *microseconds)
{
    if (!read_number(word, microseconds)) {
        return false;
    }
    *microseconds *= 1000;
    return true;
}

static bool read_vcpus(struct word word, uint64_t *vcpus)
{
    uint64_t number;

    if (!read_number(word, &number) || number == 0 ||
        number > OPTIONS_MOST_VCPUS) {
        return false;
    }
    *vcpus = number;
    return true;
}

static bool read_choice(struct word word, const char *yes, const char *no,
                        bool *choice)
{
    *choice = equals(word, yes);
    return *choice || equals(word, no);
}

static bool read_viridian(struct word word, enum viridian_use *use)
{
    static const char *const names[] = {
        [VIRIDIAN_NONE] = "none",
        [VIRIDIAN_ASSIST] = "assist",
        [VIRIDIAN_ALL] = "all",
        [VIRIDIAN_LOST] = "lost",
    };
    unsigned int i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (equals(word, names[i])) {
            *use = i;
            return true;
        }
    }
    return false;
}

static bool read_output(struct word word, struct options *options)
{
    bool both = equals(word, "both");

    options->to_port = both || equals(word, "port");
    options->to_ring = both || equals(word, "ring");
    return options->to_port || options->to_ring;
}

static bool read_option(struct options *options, struct word name,
                        struct word value)
{
    if (equals(name, "memory")) {
        return read_amount(value, "all", &options->memory_mib);
    }
    if (equals(name, "working-set")) {
        return read_amount(value, "all", &options->working_set_mib);
    }
    if (equals(name, "rate")) {
        return read_amount(value, "max", &options->write_rate);
    }
    if (equals(name, "check")) {
        return read_amount(value, "max", &options->check_rate);
    }
    if (equals(name, "order")) {
        return read_choice(value, "random", "sequential",
                           &options->random_order);
    }
    if (equals(name, "jumps")) {
        return read_choice(value, "yes", "no", &options->jumps);
    }
    if (equals(name, "heartbeat")) {
        return read_milliseconds(value, &options->heartbeat_us);
    }
    if (equals(name, "run")) {
        return read_milliseconds(value, &options->run_us);
    }
    if (equals(name, "watchdog")) {
        return read_number(value, &options->watchdog_s);
    }
    if (equals(name, "output")) {
        return read_output(value, options);
    }
    if (equals(name, "vcpus")) {
        return read_vcpus(value, &options->vcpus);
    }
    if (equals(name, "id")) {
        return read_number(value, &options->id);
    }
    if (equals(name, "drivers")) {
        return read_choice(value, "yes", "no", &options->drivers);
    }
    if (equals(name, "trade")) {
        return read_number(value, &options->trade_pages);
    }
    if (equals(name, "trade-every")) {
        return read_milliseconds(value, &options->trade_us);
    }
    if (equals(name, "trade-for")) {
        return read_choice(value, "same", "others", &options->trade_same);
    }
    if (equals(name, "corrupt")) {
        return read_choice(value, "yes", "no", &options->corrupt);
    }
    if (equals(name, "pae")) {
        return read_choice(value, "yes", "no", &options->pae);
    }
    if (equals(name, "viridian")) {
        return read_viridian(value, &options->viridian);
    }
    return false;
}

void options_default(struct options *options)
{
    options->memory_mib = OPTIONS_ALL;
    options->working_set_mib = OPTIONS_ALL;
    options->write_rate = 1000;
    options->check_rate = 4000;
    options->heartbeat_us = 10000;
    options->run_us = 0;
    options->watchdog_s = 0;
    options->vcpus = 1;
    options->id = 0;
    options->drivers = true;
    options->random_order = false;
    options->jumps = false;
    options->to_port = true;
    options->to_ring = true;
    options->trade_pages = 0;
    options->trade_us = 10000;
    options->trade_same = false;
    options->corrupt = false;
    options->viridian = VIRIDIAN_NONE;
    options->pae = false;
}

static bool ends_word(char c)
{
    return c == '\0' || c == ' ';
}

const char *options_parse(struct options *options, const char *command_line)
{
    const char *not_understood = NULL;
    const char *at = command_line;

    while (*at != '\0') {
        struct word name = {at, 0};
        struct word value = {at, 0};

        if (*at == ' ') {
            at++;
            continue;
        }
        while (!ends_word(*at) && *at != '=') {
            at++;
            name.length++;
        }
        value.text = *at == '=' ? ++at : at;
        while (!ends_word(*at)) {
            at++;
            value.length++;
        }
        if (!read_option(options, name, value) && not_understood == NULL) {
            not_understood = name.text;
        }
    }
    return not_understood;
}
