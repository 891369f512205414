/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The program that is installed as xl: it runs the build for this host's Xen.
 */
#ifndef XL_FRONT_H
#define XL_FRONT_H

/* Set by the user: the version of the build to run, in place of the running
 * Xen's. */
#define XL_VERSION_VARIABLE "XL_POSTCOPY_VERSION"
/* Set for the build: the path of the program above, which is not the stock
 * xl. */
#define XL_FRONT_VARIABLE "XL_POSTCOPY_FRONT"

/* Each version's build is in a directory of its own below this one. */
#ifndef XL_BUILDS_DIR
#define XL_BUILDS_DIR "/usr/local/lib/xen-postcopy"
#endif

#endif
