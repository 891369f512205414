# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that uses a disk and the network while it moves.

The back ends in dom0 map pages of its memory, and copy to and from them, also pages that
have not arrived.
"""

import contextlib
import re

from echo import Echo
from test_1_moves import assert_moved, play_linux
from world import TAKES_LONG, on_request
from xenlab import HOSTS

DISK = "/dev/vdb"       # the one that the hosts share
ADDRESS = "10.0.0.10"
FILES = 32              # that the guest has on the disk
SHUTDOWN_LIMIT = 120
ASKED = "requests of back ends"     # of xl's summary

# Messages of a dom0's kernel and of the hypervisor when a back end makes no progress.
COMPLAINT = re.compile(
    r"I/O error|EXT4-fs (error|warning)|WARNING|BUG|Call Trace|gnttab|grant_table"
    r"|scheduling while"
    r"|bad gref|(blkback|vif\S*|xenbus)\b.*(fail|invalid|error|stall|bad|fatal)",
    re.I)


class InUse(contextlib.ExitStack):
    """A guest with a disk and a network, connections to it, and dom0s whose logs must
    stay clean, as long as this object lives."""

    def __init__(self, world, guest):
        super().__init__()
        self.world = world
        self.lab = world.lab
        self.guest = guest
        self.echoes = []

    def __enter__(self):
        for host in HOSTS:
            self.lab.run(host, "dmesg --clear")
        self.lab.run("a", f"mke2fs -q -F -t ext4 {DISK}")
        self.guest.start("a")
        return self

    def echo(self, host):
        """A connection from that host."""
        self.echoes.append(
            self.enter_context(Echo(self.lab, host, ADDRESS)))

    def assert_no_complaints(self):
        """Messages of either dom0 or of the hypervisor."""
        lines = [str(line) for line in self.guest.lines()
                 if line.text.startswith("(XEN)")]
        for host in HOSTS:
            text = self.lab.run(host, "dmesg").stdout
            lines += [f"{host}: {line}" for line in text.splitlines()]
        bad = [line for line in lines if COMPLAINT.search(line)]
        assert not bad, "\n".join(bad[:40])


class Busy(InUse):
    """Disk and network are in use, from each host."""

    def __enter__(self):
        super().__enter__()
        for host in HOSTS:
            self.echo(host)
        self.wait_streams()
        return self

    def wait_streams(self):
        for echo in self.echoes:
            echo.wait_progress()

    def disk_requests(self):
        """How often this host's back end has read, and written."""
        text = self.lab.run(
            self.guest.host, "cat /sys/bus/xen-backend/devices/vbd-*/"
                             "statistics/{rd,wr}_req").stdout
        return [int(word) for word in text.split()]

    def assert_moved(self, *route):
        """Disk and network go on, through this host's back ends."""
        before = self.disk_requests()
        assert_moved(self.world, self.guest, *route)
        now = self.disk_requests()
        assert all(old < new for old, new in zip(before, now)), (before, now)
        self.wait_streams()
        self.assert_no_complaints()

    def finish(self):
        """Shut it down; what it left on the disk is whole for both hosts."""
        for echo in self.echoes:
            echo.finish()
        self.lab.run(self.guest.host,
                     ["xl", "shutdown", "-w", self.guest.name],
                     timeout=SHUTDOWN_LIMIT)
        self.guest.assert_sound()
        for host in HOSTS:
            self.assert_disk_is_whole(host)
        self.assert_no_complaints()

    def assert_disk_is_whole(self, host):
        """The guest has written its files' checksums next to them."""
        self.lab.run(host, f"e2fsck -f -n {DISK} && mkdir -p /mnt/disk && "
                           f"mount -o ro {DISK} /mnt/disk")
        try:
            self.lab.run(host, "cd /mnt/disk && sha256sum -c --quiet sums && "
                               f"test $(wc -l < sums) -eq {FILES}")
        finally:
            self.lab.run(host, "umount /mnt/disk")


def there_and_back(world, guest):
    """There slowly: pages stay away for long enough to be wanted.  How many the
    back ends want is noted: with what was written last sent first it can be
    none."""
    with Busy(world, guest) as busy:
        there = world.move(guest, "--background-rate 4M")
        busy.assert_moved("a", "b")
        back = world.move(guest)
        busy.assert_moved("a", "b", "a")
        busy.finish()
    for summary in (there, back):
        world.note(f"{summary.get(ASKED, 0):.0f} {ASKED}")


@on_request(TAKES_LONG)
def test_a_guest_with_disk_and_network(world):
    guest = world.linux_with_devices(disk=DISK, address=ADDRESS, vcpus=1,
                                     tree=8)
    play_linux(world, guest, there_and_back)
