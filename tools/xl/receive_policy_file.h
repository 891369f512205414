/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The receiving policy of this host.
 */
#ifndef XL_RECEIVE_POLICY_FILE_H
#define XL_RECEIVE_POLICY_FILE_H

#include "peers.h"
#include "receive_policy.h"
#include "xen_directories.h"

/* Its path, unless --policy names another file. */
#define XL_RECEIVE_POLICY_FILE XEN_CONFIG_DIR "/xl-postcopy-receive.conf"

/*
 * May this process receive a guest with that configuration?  `option` is the
 * argument of --policy, a file or "none"; NULL: the host's file, unless root's
 * own command is at the other end.  0, or -1 with a message on stderr.
 */
int xl_receive_policy_check(const char *option, const char *json);

/*
 * By the argument of --peers, names with commas between, or NULL: by `peers`
 * of that policy, or of the host's where the policy is none or not said.  0;
 * or -1 with a message on stderr: then no peer may send.  Call
 * xl_peers_free() after 0.
 */
int xl_receive_policy_peers(const char *policy, const char *given,
                            struct xl_peers *peers);
void xl_peers_free(struct xl_peers *peers);

#endif
