# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Bochs that is a host: an Intel processor with VMX and EPT.

QEMU's software emulation has AMD's SVM only. Bochs is slow and has no monitor, so
its host is alone and boots each time; but what the hypervisor does on Intel's
processors is done there.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from . import qemu
from .config import LabError
from .image import initramfs, pad, run
from .lab import Lab, image_and_hypervisor

RUNNER = pathlib.Path(__file__).with_name("bochs_run.py")
CPU = "corei7_haswell_4770"
MODULES = ("ata_piix", "sd_mod", "squashfs", "overlay")

# spec-ctrl, mitigations: flushing a processor's caches takes long in Bochs, so nothing
# is mitigated. notests: the kernel's tests of its own ciphers take a minute. apicv: Bochs
# asks for more of a posted interrupt than Intel's manual, and refuses to enter the guest.
# noreboot: a hypervisor that panics must not boot again.
XEN_ARGS = qemu.XEN_ARGS + " spec-ctrl=no apicv=0 noreboot=1"
DOM0_ARGS = ("console=hvc0 quiet panic=1 mitigations=off cryptomgr.notests=1 "
             "xen_lab.host=a xen_lab.root=/dev/sdb")

GRUB = """\
set timeout=0
menuentry xen {{
    multiboot2 /boot/xen {xen}
    module2 /boot/vmlinux {dom0}
    module2 /boot/initramfs
}}
"""
SETTINGS = """\
plugin_ctrl: e1000=1
display_library: term
memory: guest={memory}, host={memory}
cpu: model={model}, count=1, ips=100000000, ignore_bad_msrs=1, reset_on_triple_fault=0
clock: sync=none, time0=utc
vga: extension=none
pci: enabled=1, chipset=i440fx, slot1=e1000
e1000: enabled=1, mac=52:54:00:00:00:01, ethmod=slirp, script=slirp.conf
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=volatile, path=boot.img, journal=boot.journal
ata0-slave: type=disk, mode=volatile, path=root.img, journal=root.journal
boot: disk
log: bochs.log
panic: action=fatal
error: action=report, cpu0=ignore
info: action=ignore
"""
FORWARDING = """\
# slirp config
restricted = 1
hostfwd = tcp:127.0.0.1:{port}-:22
"""


def reader(img):
    """read(path) of files in dom0's root."""
    def unsquash(path):
        return subprocess.run(
            ["unsquashfs", "-cat", str(img / "root.squashfs"), path],
            capture_output=True, check=False).stdout

    def read(path):
        # From Debian 12 on all is below /usr, and links lead there.
        octets = unsquash(path) or unsquash(f"usr/{path}")
        if not octets:
            raise LabError(f"{img}: no {path} in dom0's root")
        return octets
    return read


def make_boot_disk(disk, img, xen, dom0_memory):
    """A disk with GRUB, the hypervisor, and dom0's kernel, not packed: Bochs
    reads it sooner than it unpacks anything."""
    read = reader(img)
    with tempfile.TemporaryDirectory() as tree:
        boot = pathlib.Path(tree, "boot")
        (boot / "grub").mkdir(parents=True)
        (boot / "xen").write_bytes(xen.read_bytes())
        (boot / "vmlinux").write_bytes(read("boot/vmlinux"))
        (boot / "initramfs").write_bytes(initramfs(read, MODULES))
        (boot / "grub" / "grub.cfg").write_text(GRUB.format(
            xen=XEN_ARGS.format(dom0=dom0_memory), dom0=DOM0_ARGS))
        run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc",
             "-o", str(disk), tree])
    pad(disk)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class BochsLab(Lab):
    """One host, `a`."""

    hosts = ("a",)
    boot_limit = 900        # seconds; 110 on an idle machine
    default_memory = 1024   # each MiB takes time at boot
    patience = 5

    @staticmethod
    def accel():
        return "bochs"

    def _start(self, owner, snapshot):
        super()._start(owner, snapshot=False)

    def _start_host(self, host, img, xen, incoming=None):
        for lock in self.state.glob("*.img.lock"):
            lock.unlink()       # of a Bochs that was killed
        make_boot_disk(self.state / "boot.img", img, xen,
                       self.dom0_memory(host))
        root = self.state / "root.img"
        root.unlink(missing_ok=True)
        root.symlink_to(img / "root.squashfs")
        port = free_port()
        (self.state / "slirp.conf").write_text(FORWARDING.format(port=port))
        (self.state / "bochsrc").write_text(
            SETTINGS.format(memory=self.memory, model=model()))
        # Debian's Bochs waits in its debugger: it is to continue.
        (self.state / "bochs.commands").write_text("c\n")
        self._ask(op="start", host=host,
                  argv=[sys.executable, str(RUNNER), f"console-{host}.sock"])
        self._remember_port(host, port)

    def restart(self, host):
        self._start_host(host, *image_and_hypervisor(host))
        self._until_reachable(host, booted=True)

    def link(self, up):
        raise LabError("a host in Bochs has no network to another")

    def failure_report(self, count=80):
        return "\n".join([super().failure_report(count), "==== log of Bochs",
                          self._tail("bochs.log", 20)])


def model():
    return os.environ.get("XEN_LAB_BOCHS_CPU") or CPU
