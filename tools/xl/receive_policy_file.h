/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The receiving policy of this host.
 */
#ifndef XL_RECEIVE_POLICY_FILE_H
#define XL_RECEIVE_POLICY_FILE_H

#include "receive_policy.h"

/* Where it is, unless --policy names another file. */
#define XL_RECEIVE_POLICY_FILE XEN_CONFIG_DIR "/xl-postcopy-receive.conf"

/*
 * Whether this process is to take a guest with that configuration: `option` is
 * the argument of --policy, a file or "none"; NULL: the file of the host,
 * unless root's own command is at the other end.  0, or -1 having said why
 * not.
 */
int xl_receive_policy_check(const char *option, const char *json);

#endif
