# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests whose devices start at the destination in the stop, and guests that must
stay."""

import re

import qcow2
from guests import HvmPatternGuest, LinuxGuestWithDevices
from measure import downtime
from test_1_moves import assert_moved, play_linux
from test_3_errors_before_the_go import RUNS_ON
from test_hvm import (ask_device_model, assert_no_state_left,
                      loads_a_state_twice)
from world import TAKES_LONG, on_request
from xenlab import HOSTS

DISK = "/dev/vdb"       # the one that the hosts share
DISK_MIB = 48           # as the guest sees it
SHUTDOWN_LIMIT = 180
EARLY = "devices were started early"
LATE = "devices were started late, in the stop: "


class QcowGuest(LinuxGuestWithDevices):
    """Its disk is an image with metadata of its own, which grows as it is
    written."""

    disk = f"format=qcow2,vdev=xvda,access=rw,target={DISK}"

    def config(self):
        return super().config().replace(f"phy:{DISK},xvda,w", self.disk)


class HvmQcowGuest(QcowGuest):
    kind = "hvm"
    start_limit = 600       # the firmware reads the kernel octet by octet

    def boot_config(self):
        return (super().boot_config()
                .replace("xen-lab/vmlinux", "xen-lab/vmlinuz")
                + 'vga = "none"\n')

    def start(self, host, options=""):
        for where in HOSTS:
            self.write_config(where)
        return super().start(host, options)


def make_image(world):
    """An image with a file system, which host a makes."""
    file = "/run/disk.raw"
    world.lab.run("a", f"truncate -s {DISK_MIB}M {file} && "
                       f"mke2fs -q -F -t ext4 {file} && "
                       f"blkdiscard -z {DISK}")
    local = world.lab.state / "disk.raw"
    world.lab.get("a", file, local)
    image = world.lab.state / "disk.qcow2"
    image.write_bytes(qcow2.image_of(local.read_bytes()))
    world.lab.put("a", image, "/run/disk.qcow2")
    world.lab.run("a", f"dd if=/run/disk.qcow2 of={DISK} bs=1M conv=fsync "
                       f"2> /dev/null && rm {file} /run/disk.qcow2")


def judge_image(world, allocated_before):
    image = qcow2.Image(world.lab.state / "disk.img")
    faults = image.faults()
    assert not faults, "\n".join(faults[:20])
    assert image.allocated() > allocated_before, "nothing was allocated"


def allocated(world):
    return qcow2.Image(world.lab.state / "disk.img").allocated()


def there_and_back(world, guest):
    """The guest writes before, while and after it moves, and reads it all back."""
    make_image(world)
    before = allocated(world)
    guest.start("a")
    for route in (("a", "b"), ("a", "b", "a")):
        migration = world.migrate(guest, "--precopy-iterations 1")
        migration.expect_success()
        assert f"{LATE}its disk xvda is a qcow2 image" in migration.output, \
            migration.output
        assert_moved(world, guest, *route)
    world.lab.run("a", ["xl", "shutdown", "-w", guest.name],
                  timeout=SHUTDOWN_LIMIT)
    guest.assert_sound()
    judge_image(world, before)


@on_request(TAKES_LONG)
def test_qcow2_of_a_pvh_guest(world):
    """A QEMU serves the disk, and opens the image when it starts."""
    guest = QcowGuest(world.lab, DISK, "10.0.0.10", vcpus=1, tree=8)
    play_linux(world, guest, there_and_back)


@on_request(TAKES_LONG)
def test_qcow2_of_an_hvm_guest(world):
    """The guest's device model opens the image as well, twice, and with a lock."""
    guest = HvmQcowGuest(world.lab, DISK, "10.0.0.10", memory=192, vcpus=1,
                         tree=8)
    play_linux(world, guest, there_and_back)
    assert_no_state_left(world)


def hvm(world, more_config="", **options):
    guest = HvmPatternGuest(world.lab, memory=64, more_config=more_config,
                            **options)
    return guest.start("a")


@on_request(TAKES_LONG)
def test_early_and_late_build(world):
    """Forced one way and then the other; how long the guest stood still.  If QEMU cannot
    start early, xl says so and the guest stays."""
    guest = hvm(world)
    if not loads_a_state_twice(world, guest):
        world.migrate(guest, "--early-build").expect_failure(
            "cannot load a state twice: use --late-build", RUNS_ON)
        guest.assert_runs()
        assert ask_device_model(world, guest, "query-status")["running"]
        world.migrate(guest, "--late-build").expect_success()
        assert_moved(world, guest, "a", "b")
        assert_no_state_left(world)
        return
    stops = {}
    for option, told in (("--early-build", EARLY),
                         ("--late-build", f"{LATE}as asked for")):
        since = guest.wait_beat().time
        source = guest.host
        migration = world.migrate(guest, option)
        migration.expect_success()
        assert told in migration.output, migration.output
        guest.assert_runs()
        last, first = downtime(guest, source, guest.host, since)
        stops[option] = first.time - last.time
        assert ask_device_model(world, guest, "query-status")["running"]
    assert_moved(world, guest, "a", "b", "a")
    assert_no_state_left(world)
    world.note(f"stopped for {stops['--early-build']:.2f} s early, "
               f"{stops['--late-build']:.2f} s late, ratio "
               f"{stops['--late-build'] / stops['--early-build']:.1f}")


def test_a_device_that_cannot_be_moved(world):
    """The device model of such a guest would die when it saves this device."""
    world.lab.run("a", "truncate -s 1M /run/nvme.img")
    guest = hvm(world, device_model_args=[
        "-drive", "file=/run/nvme.img,if=none,id=n,format=raw",
        "-device", "nvme,drive=n,serial=n"])
    migration = world.migrate(guest)
    migration.expect_failure(r"cannot be moved.*nvme", RUNS_ON)
    guest.assert_runs(check=False)
    assert ask_device_model(world, guest, "query-status")["running"]


# Runs in a host, and logs when which host has announced which guest.
LISTEN = """\
import signal, socket
signal.alarm(200)
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x8035))
raw.bind(("xenbr0", 0))
while True:
    octets = raw.recv(100)
    with open("/dev/kmsg", "w") as log:
        log.write("RARP of " + octets[6:12].hex() + "\\n")
"""


@on_request(TAKES_LONG)
def test_the_network_learns_where_a_guest_is_once_it_runs(world):
    guest = hvm(world, 'vif = [ "mac=00:16:3e:00:00:10,bridge=xenbr0" ]\n')
    early = ["--early-build"] * loads_a_state_twice(world, guest)
    for option in (*early, "--late-build"):
        dest = "b" if guest.host == "a" else "a"
        listener = world.lab.popen(dest, ["python3", "-u", "-c", LISTEN])
        world.lab.run(dest, "dmesg -n 7")
        migration = world.migrate(guest, option)
        migration.expect_success()
        # The guest's first words are later: they need pages that have not come.
        go = re.search(r"\[ *([0-9.]+)\] the guest is handed over", migration.output)
        heard = world.lab.console.wait(r"RARP of 00163e000010", host=dest,
                                       since=migration.started, timeout=60)
        listener.kill()
        assert heard.time > migration.started + float(go[1]), (heard, go[0])
        guest.assert_runs(check=False)
