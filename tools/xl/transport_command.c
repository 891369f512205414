/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Command lines that connect with a receiver.
 */
#include "transport_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char xl_ssh_default[] = "ssh";

/*
 * For every ssh, behind the user's own options, of which ssh prefers the
 * first: it notices a dead link, for which it would otherwise wait a quarter
 * of an hour, until TCP gives up; it has a connection of its own, which
 * neither a dead master nor the stream of pages holds up; and it has no
 * terminal at the other end, which would change octets.
 */
static const char ssh_options[] =
    " -o ServerAliveInterval=5 -o ServerAliveCountMax=6 -o ControlPath=none "
    "-T";

bool xl_transport_is_ssh(const char *command)
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

char *xl_transport_host_alone(const char *host)
{
    static const char scheme[] = "ssh://";
    bool is_url = !strncmp(host, scheme, sizeof(scheme) - 1);
    const char *user;

    host += is_url ? sizeof(scheme) - 1 : 0;
    user = strrchr(host, '@');
    host = user ? user + 1 : host;
    if (host[0] == '[') {
        return strndup(host + 1, strcspn(host + 1, "]"));
    }
    return strndup(host, strcspn(host, is_url ? ":/" : "/"));
}

/* Options of the word before the command, each with a blank before it. */
struct verbose {
    char text[16];
};

static struct verbose make_verbose(int verbosity)
{
    struct verbose verbose = {""};

    for (int i = 0; i < verbosity && i < 4; i++) {
        strcat(verbose.text, " -v");
    }
    return verbose;
}

char *xl_transport_command(const char *ssh_command, const char *host,
                           int verbosity, const char *receive_options)
{
    char *command;

    if (!ssh_command[0]) {
        return strdup(host);
    }
    if (asprintf(&command, "exec %s%s '%s' xl%s migrate-receive --postcopy%s",
                 ssh_command,
                 xl_transport_is_ssh(ssh_command) ? ssh_options : "", host,
                 make_verbose(verbosity).text, receive_options) < 0) {
        return NULL;
    }
    return command;
}

/* Not by its path, where there may be another version by now. */
char *xl_transport_tls_command(const char *host, int verbosity,
                               const char *options)
{
    char *command;

    if (asprintf(&command,
                 "exec /proc/%d/exe%s migrate-connect --pass-fd%s -- '%s'",
                 (int)getpid(), make_verbose(verbosity).text, options,
                 host) < 0) {
        return NULL;
    }
    return command;
}

/* ---- how many ---- */

/* By then something else is the limit. */
#define STREAMS_MOST 4

/* Each connection by ssh has a process at either end that uses one processor.
 * Half of this host's do the rest, and run the guests. */
unsigned int xl_transport_streams(const char *ssh_command, long processors)
{
    long streams = processors / 2;

    if (!ssh_command || !xl_transport_is_ssh(ssh_command) || streams < 2) {
        return 1;
    }
    return streams < STREAMS_MOST ? (unsigned int)streams : STREAMS_MOST;
}

/* ---- a word ---- */

void xl_put_word(FILE *line, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:@/=+";

    fputc(' ', line);
    if (word[0] && word[strspn(word, plain)] == '\0') {
        fputs(word, line);
        return;
    }
    fputc('\'', line);
    for (; *word; word++) {
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, line);
    }
    fputc('\'', line);
}
