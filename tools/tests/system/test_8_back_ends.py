# SPDX-License-Identifier: LGPL-2.1-or-later
"""Back ends in dom0 that access pages which have not come: of a file that the guest
sends from its page cache, of a buffer that it writes past that, and of what a
connection's other end has not taken yet.  Neither may they wait for these pages,
nor the guest notice that they do not."""

import contextlib
import re
import time

from moving import POSTCOPY
from test_1_moves import assert_moved, play_linux
from test_4_recovery import PAUSED
from test_8_control import control
from test_8_disk_and_network import ADDRESS, ASKED, DISK, InUse
from world import TAKES_LONG, on_request
from xenlab import HOSTS

FILE_MIB = 20
FETCH_LIMIT = 240
# A rate at which pages stay absent long enough to be accessed.
SLOW = "--background-rate 1M"
# Longer than a back end tries to get a page, twice.
CUT_SECONDS = 90
FETCH = f"/bin/busybox wget -q -O - http://{ADDRESS}/file"
TRUSTED = "/local/domain/{}/device/{}/trusted"
DEVICES = ("vif/0", "vbd/51712")


class Served(InUse):
    """A guest whose vCPU has little to do, with a web server, a disk and an echo
    service; and dom0s that must not suffer by it."""

    def __enter__(self):
        super().__enter__()
        said = self.guest.wait(r"^\(d\d+\) file ([0-9a-f]{64})$",
                               self.guest.created, FETCH_LIMIT)
        self.sum = said.match[1]
        return self

    def fetch(self, host):
        """The file, as that host's dom0 reads it now."""
        got = self.lab.run(host, f"until {FETCH} > /run/file; do sleep 0.5; "
                                 "done; sha256sum < /run/file; rm /run/file",
                           timeout=FETCH_LIMIT)
        assert got.stdout.split()[0] == self.sum, got

    def begin_fetch(self, host):
        """A client that stops reading after the first octet: the rest fills the buffers
        of both ends."""
        self.lab.run(host, "rm -f /run/gate /run/sum; mkfifo /run/gate; "
                           f"({FETCH} | (head -c 1; read -r _ < /run/gate; "
                           "cat) | sha256sum > /run/sum) "
                           "> /run/fetch.log 2>&1 < /dev/null &")

    def end_fetch(self, host):
        """The guest reads on."""
        got = self.lab.run(host, "echo > /run/gate; until [ -s /run/sum ]; do "
                                 "sleep 0.2; done; cat /run/sum",
                           timeout=FETCH_LIMIT)
        assert got.stdout.split()[0] == self.sum, got

    def trusted(self, host):
        domid = self.world.domid(host, self.guest.name)
        return [self.lab.run(
            host, ["xenstore-read", TRUSTED.format(domid, device)],
            check=False).stdout.strip() for device in DEVICES]

    def assert_undisturbed(self):
        """Neither dom0 nor the guest has complained."""
        self.assert_no_complaints()
        self.guest.assert_sound()


@contextlib.contextmanager
def pinged(world):
    """The destination's dom0 answers each ping in the end."""
    ping = world.lab.popen("a", "exec ping -i 0.5 -W 60 xen-b > /run/ping")
    try:
        yield
    finally:
        world.lab.run("a", "kill -INT $(pgrep -x ping)")
        ping.wait()
    said = world.lab.run("a", "tail -n 3 /run/ping").stdout
    assert re.search(r"\b0% packet loss", said), said


def send_a_file(world, guest):
    with Served(world, guest) as served, pinged(world):
        before = served.trusted("a")
        migration = world.migrate(guest, SLOW)
        migration.wait_output(POSTCOPY)
        assert served.trusted("b") == ["0", "0"]
        for host in HOSTS:
            served.fetch(host)
        control(world, "a", f"set-rate {guest.name} unlimited")
        summary = migration.expect_success()
        served.assert_undisturbed()
        assert summary.get(ASKED, 0) == 0, summary
        assert served.trusted("b") == before
        assert_moved(world, guest, "a", "b")
        served.assert_undisturbed()


def small(world, more=""):
    return world.linux_with_devices(
        disk=DISK, address=ADDRESS, vcpus=1, busy=0, memory=192,
        more_arguments=f"file={FILE_MIB} {more}")


@on_request(TAKES_LONG)
def test_a_file_sent_from_the_page_cache(world):
    play_linux(world, small(world), send_a_file)


def live_through_a_cut(world, guest):
    """Writes to the disk, two streams, and two files of which most is in the send
    queue."""
    passes = r"^\(d\d+\) direct pass (\d+) done"
    with Served(world, guest) as served, pinged(world):
        guest.wait(passes, guest.created, FETCH_LIMIT)
        for host in HOSTS:
            served.echo(host)
            served.begin_fetch(host)
        for echo in served.echoes:
            echo.wait_progress()
        migration = world.migrate(guest, SLOW, cut_at=POSTCOPY)
        assert migration.finish() == PAUSED
        time.sleep(CUT_SECONDS)
        summary = world.recover(migration).expect_success()
        for host in HOSTS:
            served.end_fetch(host)
        for echo in served.echoes:
            echo.wait_progress()
        guest.wait_passes(passes, None)
        assert_moved(world, guest, "a", "b")
        for echo in served.echoes:
            echo.finish()
        served.assert_undisturbed()
        assert summary.get(ASKED, 0) == 0, summary


@on_request(TAKES_LONG)
def test_disk_and_network_over_a_long_cut(world):
    play_linux(world, small(world, "direct=8"), live_through_a_cut)
