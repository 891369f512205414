/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The front end of our builds, and what it tells the one that it runs.
 */
#ifndef XL_FRONT_H
#define XL_FRONT_H

/* By the user: the version to run, in place of that of the Xen that runs. */
#define XL_VERSION_VARIABLE "XL_POSTCOPY_VERSION"
/* To the build: where the front end is, which is no stock xl. */
#define XL_FRONT_VARIABLE "XL_POSTCOPY_FRONT"

/* Where the builds are, each in a directory by its version. */
#ifndef XL_BUILDS_DIR
#define XL_BUILDS_DIR "/usr/local/lib/xen-postcopy"
#endif

#endif
