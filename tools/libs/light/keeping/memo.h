/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a host keeps of the migrations that it has received, for as long as its
 * dom0 runs: how each ended, and the address of the call that receives it.
 * The files have the migrations' ids as names, in a directory that only root
 * can enter.
 */
#ifndef LM_MEMO_H
#define LM_MEMO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "xlm.h"

/* An id is only ever shown as text for a file's name. */
#define LM_ID_SIZE 16
#define LM_ID_TEXT (2 * LM_ID_SIZE + 1)

void lm_id_to_text(const uint8_t id[LM_ID_SIZE], char text[LM_ID_TEXT]);
/* 0, or -1: the text is no id. */
int lm_id_from_text(const char *text, uint8_t id[LM_ID_SIZE]);

/* Suffixes of the files' names, after the id. */
#define LM_MEMO_OUTCOME ".outcome"
#define LM_MEMO_ADDRESS ".socket"
#define LM_MEMO_KEPT ".kept"
#define LM_MEMO_SUFFIX_MAX 16
#define LM_MEMO_NAME_MAX (LM_ID_TEXT + LM_MEMO_SUFFIX_MAX)

void lm_memo_name(const uint8_t id[LM_ID_SIZE], const char *suffix,
                  char name[LM_MEMO_NAME_MAX]);

/* Open the directory, which is made if need be; the caller must close it. -1
 * with errno. */
int lm_memo_open(void);

/* How many outcomes a host keeps: its dom0 may run for years.  A source that
 * asks for one that is gone learns that nothing is known, and keeps its copy
 * suspended. */
#define LM_MEMO_OUTCOMES 4096

/* Note how a migration has ended.  A first note stays; XLM_GUEST_UNKNOWN is
 * not noted.  The oldest notes go when there are more than LM_MEMO_OUTCOMES.
 * 0, or -1 with errno. */
int lm_memo_put(const uint8_t id[LM_ID_SIZE], enum xlm_guest_state state);
/* How a migration has ended; XLM_GUEST_UNKNOWN: there is no note. */
enum xlm_guest_state lm_memo_get(const uint8_t id[LM_ID_SIZE]);
/* Remove the oldest outcomes from an open directory until `most` are left. */
void lm_memo_forget(int directory, size_t most);

/* The address of the call that receives a migration, relative to an open
 * directory: the name of a socket has too little room for some paths. */
void lm_memo_address(int directory, const uint8_t id[LM_ID_SIZE],
                     struct sockaddr_un *address);
void lm_memo_remove_address(int directory, const uint8_t id[LM_ID_SIZE]);

#endif
