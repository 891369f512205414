/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Turns what a Multiboot loader (version 1) says of the machine into the form
 * of PVH.  QEMU can boot HVM guests in this way where it cannot by setup.S.
 */
#ifndef MULTIBOOT_H
#define MULTIBOOT_H

struct hvm_start_info;

const struct hvm_start_info *multiboot_start_info(const void *info);

#endif
