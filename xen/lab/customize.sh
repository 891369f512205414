#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs as an mmdebstrap customize hook: $1 is the new root. Everything it makes
# stays inside that root, so that it works in a user namespace too.
#   XEN_LAB_SRC      this directory
#   XEN_LAB_PROGRAM  "dom0" or "sysroot"
#   XEN_LAB_SUITE    the release that the root is of, XEN_LAB_XEN its Xen's, as 4.14
#   XEN_LAB_GUEST_SUITES  others, of which guests get kernels
set -eu
root=$1

fetch() {
    chroot "$root" sh -c 'mkdir -p /var/debs && cd /var/debs &&
        apt-get -q download "$@"' sh "$@"
}

# The kernel that a suite's linux-image-amd64 stands for, in /var/kernel,
# without running its scripts. Sets `version`, and `release` to the start of it.
fetch_kernel() {
    package=$(chroot "$root" apt-cache -t "$1" depends linux-image-amd64 |
              sed -n 's/.*Depends: \(linux-image.*\)/\1/p' | head -n1)
    version=${package#linux-image-}
    release=$(echo "$version" | cut -d. -f1,2)
    fetch "$package"
    rm -rf "$root/var/kernel"
    mkdir "$root/var/kernel"
    dpkg-deb -x "$root"/var/debs/"$package"_*.deb "$root/var/kernel"
    # In Debian 13 everything is below /usr, and modules are packed, which
    # busybox's insmod does not read.
    [ -e "$root/var/kernel/lib" ] || ln -s usr/lib "$root/var/kernel/lib"
    find "$root/var/kernel/lib/modules/" -name '*.ko.xz' -print0 |
        xargs -0 -r -n 200 -P 2 xz -d
}

# Only those modules that a dom0 in this lab can use.
add_kernel() {
    fetch_kernel "$XEN_LAB_SUITE"
    cp "$root/var/kernel/boot/vmlinuz-$version" "$root/boot/vmlinuz"

    from=$root/var/kernel/lib/modules/$version
    to=$root/lib/modules/$version
    mkdir -p "$to/kernel"
    cp "$from"/modules.* "$to"
    (cd "$from/kernel" && tar -c crypto lib fs/squashfs fs/overlayfs fs/ext4 \
        fs/jbd2 fs/mbcache.ko fs/nfs_common fs/fuse net/core net/sched \
        net/8021q net/802 net/llc net/bridge net/ipv4 net/ipv6 net/netfilter \
        drivers/xen drivers/virtio drivers/block drivers/char/hw_random \
        drivers/net/virtio_net.ko drivers/net/net_failover.ko \
        drivers/net/tun.ko drivers/net/xen-netback net/core/failover.ko \
        arch/x86/crypto) | tar -x -C "$to/kernel"
    # What Bochs has in place of the devices of QEMU; and RDMA, which the hosts
    # do over their Ethernet.
    modules_with_needs ata_piix sd_mod e1000 rdma_rxe rdma_ucm ib_uverbs |
        tar -c -C "$root/var/kernel" -T - | tar -x -C "$root"
    chroot "$root" depmod -a "$version"
    echo "$version" > "$root/boot/version"
    unpack_kernel "$root/boot/vmlinuz" "$root/boot/vmlinux"
    add_guest_modules xen-blkfront xen-netfront ext4 crc32c_generic xen-evtchn
    ln -s "modules-$release.cpio" "$root/usr/lib/xen-lab/modules.cpio"
    for file in vmlinux vmlinuz; do
        ln -s "/boot/$file" "$root/usr/lib/xen-lab/$file-$release"
    done
}

# modules_with_needs MODULE...: the files of these modules of the kernel in
# /var/kernel, and of those that they need, by their names below it.
modules_with_needs() {
    chroot "$root" depmod -b /var/kernel "$version"
    chroot "$root" modprobe -d /var/kernel -S "$version" -a --show-depends "$@" |
        sed -n 's:^insmod /var/kernel/\([^ ]*\).*:\1:p' | sort -u
}

# add_guest_modules MODULE...: a cpio archive of modules of the kernel in
# /var/kernel that a guest needs, to be put before its own initramfs.
add_guest_modules() {
    mkdir -p "$root/usr/lib/xen-lab"
    # shellcheck disable=SC2016 # they are for the shell in there
    modules_with_needs "$@" | chroot "$root" sh -eu -c '
        tar -c -C /var/kernel -T - | tar -x --one-top-level=/var/modules
        depmod -b /var/modules "$2"
        cd /var/modules
        find . | LC_ALL=C sort | busybox cpio -o -H newc -R 0:0 \
            > "/usr/lib/xen-lab/modules-$1.cpio"
        rm -r /var/modules' sh "$release" "$version"
}

# The ELF image inside a bzImage (see the kernel's x86 boot protocol). As a PVH
# guest it starts six seconds sooner: unpacking is slow in an emulated dom0.
unpack_kernel() {
    setup=$(od -An -t u1 -j $((0x1f1)) -N 1 "$1")
    start=$(od -An -t u4 -j $((0x248)) -N 4 "$1")
    length=$(od -An -t u4 -j $((0x24c)) -N 4 "$1")
    tail -c +$(((setup + 1) * 512 + start + 1)) "$1" |
        head -c $((length - 4)) > "$2.packed"
    case $(od -An -t x4 -N 4 "$2.packed") in
    *fd2fb528) zstd -qdc "$2.packed" > "$2" ;;
    *) xz -dc "$2.packed" > "$2" ;;
    esac
    rm "$2.packed"
}

# Newer guests rely on more of the hypervisor than those of Linux 5.10.
add_guest_kernels() {
    for suite in $XEN_LAB_GUEST_SUITES; do
        fetch_kernel "$suite"
        cp "$root/var/kernel/boot/vmlinuz-$version" \
            "$root/boot/vmlinuz-$release"
        unpack_kernel "$root/boot/vmlinuz-$release" \
            "$root/boot/vmlinux-$release"
        ln -s "/boot/vmlinux-$release" "/boot/vmlinuz-$release" \
            "$root/usr/lib/xen-lab/"
        add_guest_modules xen-evtchn
    done
}

add_hypervisor() {
    fetch "xen-hypervisor-$XEN_LAB_XEN-amd64"
    mkdir "$root/var/hypervisor"
    dpkg-deb -x "$root"/var/debs/xen-hypervisor-*.deb "$root/var/hypervisor"
    gunzip -c "$root/var/hypervisor/boot/xen-$XEN_LAB_XEN-amd64.gz" \
        > "$root/boot/xen"
}

# One key pair for everybody: both hosts and the machine outside log in to each
# other with it. It is made here, so it is as old as the image and in no tree.
add_keys() {
    rm -f "$root"/etc/ssh/ssh_host_*
    chroot "$root" ssh-keygen -q -t ed25519 -N '' -C xen-lab \
        -f /etc/ssh/ssh_host_ed25519_key
    mkdir -m 700 -p "$root/root/.ssh"
    chroot "$root" ssh-keygen -q -t ed25519 -N '' -C xen-lab \
        -f /root/.ssh/id_ed25519
    cp "$root/root/.ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
    key=$(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")
    echo "xen-a,a,10.0.0.1,xen-b,b,10.0.0.2,localhost $key" \
        > "$root/etc/ssh/ssh_known_hosts"
}

add_dom0() {
    tar -c -C "$XEN_LAB_SRC/rootfs" --owner=0 --group=0 . |
        tar -x --no-same-permissions -C "$root"
    ln -s /boot/vmlinuz /boot/vmlinux "$root/usr/lib/xen-lab/"
    ln -sf /bin/busybox "$root/sbin/init"
    mkdir -p "$root/proc" "$root/var/log/xen/console" "$root/var/lib/xenstored"
}

# Links such as /usr/lib/x86_64-linux-gnu/libc.so -> /lib/... lead out of the
# sysroot when a linker outside follows them.
relative_links() {
    find "$root" -xdev -type l -lname '/*' | while read -r link; do
        dir=$(dirname "${link#"$root"/}")
        up=$(echo "$dir" | sed 's:[^/][^/]*:..:g')
        ln -sfn "$up$(readlink "$link")" "$link"
    done
}

case $XEN_LAB_PROGRAM in
dom0)
    add_kernel
    add_hypervisor
    add_keys
    add_dom0
    add_guest_kernels
    ;;
sysroot)
    relative_links
    ;;
esac
rm -rf "$root/var/debs" "$root/var/kernel" "$root/var/hypervisor"
