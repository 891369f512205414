/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The command lines that connect with a receiver.
 */
#ifndef XL_TRANSPORT_COMMAND_H
#define XL_TRANSPORT_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

/* What connects unless the user says otherwise. */
extern const char xl_ssh_default[];

/* Whether a host is made of what names, addresses, user@ and ssh:// are made
 * of, and is no option: so it means nothing to a shell. */
bool xl_transport_host_is_plain(const char *host);

/* Whether the first word of a command is ssh, by whatever path. */
bool xl_transport_is_ssh(const char *command);

/*
 * What the shell is to run, malloc'ed: a receiver on the host, which has to be
 * plain, with these options (each with a blank before it); or with an empty
 * ssh_command the host itself, as the stock xl has it.  ssh gets options of
 * ours, behind the user's own, any other command none.  NULL: no memory.
 */
char *xl_transport_command(const char *ssh_command, const char *host,
                           int verbosity, const char *receive_options);

/* Write a blank and the word as a shell wants it: as it is, or in quotes. */
void xl_put_word(FILE *line, const char *word);

#endif
