/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Where the Xen of this host has its files.  For a Xen built with other
 * directories, configure's --sysconfdir and --localstatedir set them.
 */
#ifndef XEN_DIRECTORIES_H
#define XEN_DIRECTORIES_H

#ifndef XEN_CONFIG_DIR
#define XEN_CONFIG_DIR "/etc/xen"
#endif
#ifndef XEN_RUN_DIR
#define XEN_RUN_DIR "/var/run/xen"
#endif
#ifndef XEN_LIB_DIR
#define XEN_LIB_DIR "/var/lib/xen"
#endif
#ifndef XEN_LOG_DIR
#define XEN_LOG_DIR "/var/log/xen"
#endif
#ifndef XEN_LOCK_DIR
#define XEN_LOCK_DIR "/var/lock"
#endif

#endif
