# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests with a device model: QEMU goes along."""

import functools
import json

from guests import LinuxGuest
from test_1_moves import assert_moved
from world import TAKES_LONG, Skip, on_request
from xenlab import LabError

# Runs in a host: prints what the device model of a domain answers to commands.
ASK = """\
import json, socket, sys
monitor = socket.socket(socket.AF_UNIX)
monitor.connect("/var/run/xen/qmp-libxenstat-" + sys.argv[1])
lines = monitor.makefile("rw")
for command in ["qmp_capabilities"] + sys.argv[2:]:
    lines.write(json.dumps({"execute": command}) + "\\n")
    lines.flush()
    while True:
        answer = json.loads(lines.readline())
        if "return" in answer or "error" in answer:
            break
print(json.dumps(answer))
"""


class HvmGuest(LinuxGuest):
    """The Linux guest, started by QEMU's firmware; `devices` are lines of its
    configuration."""

    start_limit = 600       # the firmware reads the kernel octet by octet

    def __init__(self, lab, devices, memory=192, vcpus=1, tree=16, **options):
        super().__init__(lab, "hvm", memory=memory, vcpus=vcpus, tree=tree,
                         **options)
        self.devices = devices

    def config(self):
        return super().config().replace('"pvh"', '"hvm"')

    def boot_config(self):
        """QEMU needs a bzImage."""
        pvh = super().boot_config()
        return (pvh.replace("xen-lab/vmlinux", "xen-lab/vmlinuz")
                + "\n".join(self.devices) + "\n")

    def start(self, host, options=""):
        """QEMU reads kernel and initramfs wherever it starts."""
        for where in self.lab.hosts:
            self.write_config(where)
        return super().start(host, options)


def ask_device_model(world, guest, command):
    domid = str(world.domid(guest.host, guest.name))
    answer = world.lab.run(guest.host, ["python3", "-c", ASK, domid, command])
    return json.loads(answer.stdout)["return"]


def loads_a_state_twice(world, guest):
    """True: the device model can start early; otherwise it starts late, in the stop."""
    version = ask_device_model(world, guest, "query-version")
    return version["qemu"]["major"] < 6


def assert_no_state_left(world):
    for host in world.lab.hosts:
        left = world.lab.run(host, "ls /var/lib/xen").stdout
        assert "qemu-" not in left, left


def with_guest(*devices):
    """A test that gets a guest on host a as well; again when QEMU's emulation
    of the processor has killed that."""
    def decorate(test):
        @functools.wraps(test)
        def run(world):
            for _ in range(2):
                guest = HvmGuest(world.lab, devices).start("a")
                try:
                    test(world, guest)
                    return
                except (AssertionError, LabError):
                    if not guest.killed_by_emulation():
                        raise
                world.note("once more, as QEMU gave the guest an interrupt "
                           "twice")
                world.clean()
            raise Skip("QEMU gave the guest an interrupt twice, two times")
        return run
    return decorate


@with_guest('vga = "none"')
@on_request(TAKES_LONG)
def test_hvm_there_and_back_again(world, guest):
    """The way back starts from a QEMU whose state was loaded while it was
    there already."""
    summary = world.move(guest)
    assert summary["left for postcopy"] > 0, summary
    guest.assert_runs()
    assert ask_device_model(world, guest, "query-status")["running"]
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a")
    assert_no_state_left(world)


@with_guest('vga = "stdvga"', "vnc = 1")
@on_request(TAKES_LONG)
def test_hvm_with_a_screen(world, guest):
    """The pages that QEMU maps go while the guest runs; in the stop go only those of its
    4112 pages that have changed."""
    summary = world.move(guest)
    assert summary["sent while it ran here"] >= 4112, summary
    assert summary["sent while it was stopped"] < 4112, summary
    assert ask_device_model(world, guest, "query-vnc")["enabled"]
    assert_moved(world, guest, "a", "b")
    assert_no_state_left(world)


@with_guest('vga = "none"')
@on_request(TAKES_LONG)
def test_hvm_stays_when_the_destination_cannot_build_it(world, guest):
    """QEMU was asked for its state and to log by then."""
    world.pattern(name="hvm--incoming", memory=32).start("b", "-p")
    world.migrate(guest).expect_failure("runs on here")
    assert ask_device_model(world, guest, "query-status")["running"]
    guest.assert_runs()
    guest.assert_ran_once("a")
