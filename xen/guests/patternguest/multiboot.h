/* SPDX-License-Identifier: LGPL-2.1-or-later
 * QEMU can boot an HVM guest by the Multiboot protocol, version 1, where it
 * does not by setup.S: what that tells of the machine, in the form of PVH.
 */
#ifndef MULTIBOOT_H
#define MULTIBOOT_H

struct hvm_start_info;

const struct hvm_start_info *multiboot_start_info(const void *info);

#endif
