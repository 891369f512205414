"""Guests with a device model: QEMU goes along.

It boots by its firmware and not as fast as the others, so there is one move
and a way back for all that is to be seen of it.
"""

import json

from guests import PLACE, LinuxGuest
from test_1_moves import assert_moved

# Starts at what QEMU says to a client of its monitor.
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
    """The Linux guest, started by QEMU; `devices` are lines of its
    configuration."""

    def __init__(self, lab, devices, memory=192, tree=16):
        super().__init__(lab, "hvm", memory=memory, vcpus=1, tree=tree)
        self.devices = devices

    def config(self):
        """The kernel is handed over by QEMU, which takes a bzImage."""
        return super().config().replace('"pvh"', '"hvm"')

    def boot_config(self):
        pvh = super().boot_config()
        return (pvh.replace("xen-lab/vmlinux", "xen-lab/vmlinuz")
                + "\n".join(self.devices) + "\n")


def ask_device_model(world, guest, command):
    domid = str(world.domid(guest.host, guest.name))
    answer = world.lab.run(guest.host, ["python3", "-c", ASK, domid, command])
    return json.loads(answer.stdout)["return"]


def there_and_back(world, guest):
    """The way back starts from a QEMU whose state was loaded while it was
    there already."""
    summary = world.move(guest)
    assert summary["left for postcopy"] > 0, summary
    guest.assert_runs()
    assert ask_device_model(world, guest, "query-status")["running"]
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a")


def assert_no_state_left(world):
    for host in ("a", "b"):
        left = world.lab.run(host, "ls /var/lib/xen").stdout
        assert "qemu-" not in left, left


def test_hvm_without_a_screen(world):
    guest = HvmGuest(world.lab, ['vga = "none"']).start("a")
    there_and_back(world, guest)
    assert_no_state_left(world)


def test_hvm_with_stdvga_and_vnc(world):
    """What QEMU has mapped goes while the guest runs, in the stop only what
    has changed of its 4112 pages."""
    guest = HvmGuest(world.lab, ['vga = "stdvga"', "vnc = 1"]).start("a")
    summary = world.move(guest)
    assert summary["sent while it ran here"] >= 4112, summary
    assert summary["sent while it was stopped"] < 4112, summary
    assert ask_device_model(world, guest, "query-vnc")["enabled"]
    assert_moved(world, guest, "a", "b")
    assert_no_state_left(world)


def test_hvm_stays_when_the_receiver_fails(world):
    """QEMU was asked for its state and to log; the guest does not mind."""
    guest = HvmGuest(world.lab, ['vga = "none"']).start("a")
    other = HvmGuest(world.lab, ['vga = "none"'])
    other.name = "hvm--incoming"
    other.write_config("b")
    world.lab.run("b", f"xl create -p {PLACE}/{other.name}.cfg")
    migration = world.migrate(guest)
    migration.expect_failure()
    assert ask_device_model(world, guest, "query-status")["running"]
    guest.assert_runs()
    guest.assert_ran_once("a")
