/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a host keeps of the migrations that it has received, for as long as its
 * dom0 runs: how each ended, and where the call that receives it is to be
 * reached.  By their ids, in a directory that only root can enter.
 */
#ifndef LM_MEMO_H
#define LM_MEMO_H

#include <stdint.h>
#include <sys/un.h>

#include "xlm.h"

/* Beside its name an id is never shown. */
#define LM_ID_SIZE 16
#define LM_ID_TEXT (2 * LM_ID_SIZE + 1)

void lm_id_to_text(const uint8_t id[LM_ID_SIZE], char text[LM_ID_TEXT]);
/* 0, or -1: this is no id. */
int lm_id_from_text(const char *text, uint8_t id[LM_ID_SIZE]);

/* Names in the directory: the id and one of these. */
#define LM_MEMO_OUTCOME ".outcome"
#define LM_MEMO_ADDRESS ".socket"
#define LM_MEMO_KEPT ".kept"
#define LM_MEMO_SUFFIX_MAX 16
#define LM_MEMO_NAME_MAX (LM_ID_TEXT + LM_MEMO_SUFFIX_MAX)

void lm_memo_name(const uint8_t id[LM_ID_SIZE], const char *suffix,
                  char name[LM_MEMO_NAME_MAX]);

/* The directory, made when it is not there; to be closed.  -1 with errno. */
int lm_memo_open(void);

/* Note how a migration has ended; what was noted first stays, and
 * XLM_GUEST_UNKNOWN is not noted.  0, or -1 with errno. */
int lm_memo_put(const uint8_t id[LM_ID_SIZE], enum xlm_guest_state state);
/* XLM_GUEST_UNKNOWN: nothing was noted. */
enum xlm_guest_state lm_memo_get(const uint8_t id[LM_ID_SIZE]);

/* The address of the call that receives a migration, by way of an open
 * directory, whatever its path: a name of a socket has little room. */
void lm_memo_address(int directory, const uint8_t id[LM_ID_SIZE],
                     struct sockaddr_un *address);
void lm_memo_remove_address(int directory, const uint8_t id[LM_ID_SIZE]);

#endif
