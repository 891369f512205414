"""Back ends in dom0 that want pages which have not come: a file that the guest
sends from its page cache, and writes to a disk past that."""

import contextlib
import re

from moving import POSTCOPY, Process
from test_1_moves import assert_moved
from test_8_control import control
from test_8_disk_and_network import ADDRESS, ASKED, COMPLAINT, DISK
from world import TAKES_LONG, on_request
from xenlab import HOSTS

FILE_MIB = 20
FETCH_LIMIT = 240
# So that pages stay away for long enough to be wanted.
SLOW = "--background-rate 1M"


class Sender(contextlib.ExitStack):
    """A guest with a web server, and dom0s that must not suffer by it."""

    def __init__(self, world, more="", **options):
        super().__init__()
        self.world = world
        self.lab = world.lab
        self.guest = world.linux_with_devices(
            disk=DISK, address=ADDRESS, vcpus=1, busy=0, memory=128,
            more_arguments=f"file={FILE_MIB} {more}", **options)

    def __enter__(self):
        for host in HOSTS:
            self.lab.run(host, "dmesg --clear")
        self.lab.run("a", f"mke2fs -q -F -t ext4 {DISK}")
        self.guest.start("a")
        said = self.guest.wait(r"^\(d\d+\) file ([0-9a-f]{64})$",
                               self.guest.created, FETCH_LIMIT)
        self.sum = said.match[1]
        return self

    def fetch(self, host):
        """The file, as that host's dom0 reads it."""
        got = self.lab.run(
            host, "until /bin/busybox wget -q -O /run/file "
                  f"http://{ADDRESS}/file; do sleep 0.5; done; "
                  "sha256sum < /run/file; rm /run/file", timeout=FETCH_LIMIT)
        assert got.stdout.split()[0] == self.sum, got

    def assert_undisturbed(self):
        """Neither dom0 nor the guest has complained."""
        lines = []
        for host in HOSTS:
            text = self.lab.run(host, "dmesg").stdout
            lines += [f"{host}: {line}" for line in text.splitlines()]
        bad = [line for line in lines
               if COMPLAINT.search(line) or "scheduling while" in line]
        assert not bad, "\n".join(bad[:40])
        self.guest.assert_sound()


def test_a_file_sent_from_the_page_cache(world):
    with Sender(world) as sender:
        guest = sender.guest
        migration = world.migrate(guest, SLOW)
        migration.wait_output(POSTCOPY)
        for host in HOSTS:
            sender.fetch(host)
        control(world, "a", f"set-rate {guest.name} unlimited")
        summary = migration.expect_success()
        sender.assert_undisturbed()
        assert summary.get(ASKED, 0) == 0, summary
        assert_moved(world, guest, "a", "b")
