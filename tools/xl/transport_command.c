/*
 * The command lines that connect with a receiver, and that recover a
 * migration.
 */
#include "transport_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char xl_ssh_default[] = "ssh";

/*
 * For every ssh, behind the user's own options, of which ssh takes the first:
 * it notices a dead link, on which it would sit until TCP gives that up, a
 * quarter of an hour later; it has a connection of its own, not one that a
 * dead master or the stream of pages holds up; and no terminal at the other
 * end, which would change octets.
 */
static const char ssh_options[] =
    " -o ServerAliveInterval=5 -o ServerAliveCountMax=6 -o ControlPath=none "
    "-T";

/* Whether the first word of a command is ssh, by whatever path. */
static bool is_ssh(const char *command)
{
    size_t length;
    const char *slash;

    command += strspn(command, " \t");
    length = strcspn(command, " \t");
    slash = memrchr(command, '/', length);
    if (slash) {
        length -= slash + 1 - command;
        command = slash + 1;
    }
    return length == 3 && !strncmp(command, "ssh", 3);
}

bool xl_transport_host_is_plain(const char *host)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._-@:%[]/";

    return host[0] && host[0] != '-' && !host[strspn(host, plain)];
}

char *xl_transport_command(const char *ssh_command, const char *host,
                           int verbosity, const char *receive_options)
{
    char verbose[16] = "";
    char *command;

    if (!ssh_command[0]) {
        return strdup(host);
    }
    for (int i = 0; i < verbosity && i < 4; i++) {
        strcat(verbose, " -v");
    }
    if (asprintf(&command, "exec %s%s '%s' xl%s migrate-receive --postcopy%s",
                 ssh_command, is_ssh(ssh_command) ? ssh_options : "", host,
                 verbose, receive_options) < 0) {
        return NULL;
    }
    return command;
}

/* ---- once more ---- */

/* As a shell wants it: a word as it is, anything else in quotes. */
static void put_word(FILE *text, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:@/=+";

    fputc(' ', text);
    if (word[0] && word[strspn(word, plain)] == '\0') {
        fputs(word, text);
        return;
    }
    fputc('\'', text);
    for (; *word; word++) {
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, text);
    }
    fputc('\'', text);
}

static void put_option(FILE *text, const char *option, const char *value)
{
    if (value) {
        fprintf(text, " %s", option);
        put_word(text, value);
    }
}

char *xl_recovery_command(const struct xl_recovery *recovery)
{
    char *line = NULL;
    size_t length;
    FILE *text = open_memstream(&line, &length);

    if (!text) {
        return NULL;
    }
    fputs("xl migrate-recover", text);
    put_option(text, "--background-rate", recovery->background_rate);
    put_option(text, "--link-timeout", recovery->link_timeout);
    if (recovery->json) {
        fputs(" --json", text);
    }
    if (strcmp(recovery->ssh_command, xl_ssh_default)) {
        put_option(text, "-s", recovery->ssh_command);
    }
    put_word(text, recovery->name);
    put_word(text, recovery->host);
    if (fclose(text)) {
        free(line);
        return NULL;
    }
    return line;
}
