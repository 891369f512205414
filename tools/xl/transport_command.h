/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Command lines that connect with a receiver.
 */
#ifndef XL_TRANSPORT_COMMAND_H
#define XL_TRANSPORT_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

/* The command to connect with unless the user names another. */
extern const char xl_ssh_default[];

/* Does a host have only characters of names, addresses, user@ and ssh://, and
 * is no option?  Then it is safe in a shell's command line. */
bool xl_transport_host_is_plain(const char *host);

/* The host alone, without ssh://, a user, a port of ssh:// and brackets: a
 * name or an address, which the caller must free; NULL: no memory. */
char *xl_transport_host_alone(const char *host);

/* Is the first word of a command ssh, with any path? */
bool xl_transport_is_ssh(const char *command);

/*
 * The command line for the shell, which the caller must free: it starts a
 * receiver with these options (each with a blank before it) on the host, which
 * must be plain.  With an empty ssh_command the host is the command itself, as
 * in the stock xl. ssh gets some more options, behind the user's own; any
 * other command gets none.  NULL: no memory.
 */
char *xl_transport_command(const char *ssh_command, const char *host,
                           int verbosity, const char *receive_options);

/*
 * The same for TLS: xl migrate-connect of this very program to the host, with
 * these options (each with a blank before it).
 */
char *xl_transport_tls_command(const char *host, int verbosity,
                               const char *options);

/* How many connections a push goes over by xl's own choice, on a host with
 * this many processors; ssh_command NULL: not by ssh. */
unsigned int xl_transport_streams(const char *ssh_command, long processors);

/* Write a blank and the word, in quotes if a shell needs them. */
void xl_put_word(FILE *line, const char *word);

#endif
