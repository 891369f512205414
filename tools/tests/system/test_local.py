# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves within one host, on the Intel processor that Bochs emulates (make
check-intel)."""

from echo import Echo
from guests import SIGN_OF_LIFE_LIMIT, HvmPatternGuest, PatternGuest
from moving import POSTCOPY, RECOVERY_LINE
from test_4_recovery import PAUSED, SLOW
from test_7_balloons import await_held, must_set_memory
from test_8_control import status
from test_8_disk_and_network import ADDRESS, COMPLAINT
from world import TAKES_LONG, Skip, on_request


# A host in Bochs does some 25 million instructions a second: the guest is to leave
# it time to sleep, which costs none, and dom0 comes first.
CALM = {"rate": 500, "check": 2000, "heartbeat": 50}
DOM0_FIRST = "cpu_weight = 1\n"


def pattern(world, kind=PatternGuest, memory=16, **options):
    return kind(world.lab, memory=memory, more_config=DOM0_FIRST,
                **{**CALM, **options})


# Bochs is slow, and one host is both ends: a connection that stands still for a minute
# need not be dead.
PATIENT = "--link-timeout 0"


# How its pages are absent: the default, or by access rights, which packaged
# hypervisors have (XEN_LAB_HYPERVISOR=packaged).
ACCESS = "--pager access"


def migrate_within(world, guest, options="", pager="", transport="local", **how):
    return world.migrate(guest, f"{options} {PATIENT}", transport=transport,
                         receive_options=f"{PATIENT} {pager}", **how)


def move_within(world, guest, options="", pager="", **how):
    return migrate_within(world, guest, options, pager, **how).expect_success()


def assert_moved_within(world, guest, moves=1, check=True):
    """The guest is there once, sound, and was in one domain more with each move."""
    guest.assert_runs(check)
    guest.assert_ran_once("a")
    domids = guest.domids()
    assert len(domids) == moves + 1, f"it ran as {domids}"
    world.assert_only_at(guest, "a")


@on_request(TAKES_LONG)
def test_local_pure_postcopy(world):
    """Pushed in one order, and in the other."""
    guest = pattern(world).start("a")
    for options in ("", "--push-order ascending --neighbours-below 2 "
                        "--neighbours-above 6"):
        summary = move_within(world, guest, options)
        assert summary["sent while it ran here"] == 0, summary
        assert summary["left for postcopy"] > 0, summary
        assert summary["faults of the guest"] > 0, summary
    assert_moved_within(world, guest, moves=2)


@on_request(TAKES_LONG)
def test_local_hybrid_and_back(world):
    guest = pattern(world, working_set=4).start("a")
    summary = move_within(world, guest, "--precopy-iterations 2")
    assert summary["precopy rounds"] == 2, summary
    assert 0 < summary["left for postcopy"] < 4096, summary
    guest.wait_beat()
    summary = move_within(world, guest, when="auto")
    assert summary["precopy rounds"] > 0, summary
    assert_moved_within(world, guest, moves=2)


@on_request(TAKES_LONG)
def test_local_hvm(world):
    guest = pattern(world, HvmPatternGuest, memory=32).start("a")
    move_within(world, guest, "--precopy-iterations 1")
    assert_moved_within(world, guest)


@on_request(TAKES_LONG)
def test_local_linux(world):
    guest = world.linux(vcpus=1, tree=4, more_config=DOM0_FIRST).start("a")
    summary = move_within(world, guest)
    assert summary["of these requested"] > 0, summary
    assert_moved_within(world, guest)


class PaeGuest(PatternGuest):
    """This guest has one vCPU more, in 32-bit mode with PAE."""

    def __init__(self, lab, **options):
        super().__init__(lab, pae="yes", **options)

    def config(self):
        return super().config().replace("vcpus = 1", "vcpus = 2")

    def wait_pae(self, since):
        """That vCPU goes on, as of a start or a resume."""
        self.wait(r"^\(d\d+\) pae goes on, turns [1-9]", since,
                  SIGN_OF_LIFE_LIMIT)


@on_request(TAKES_LONG)
def test_local_32_bit_with_pae(world):
    """When Xen loads the state of such a vCPU it looks for the page of its
    CR3, and crashes the domain that has none."""
    if not world.lab.run("a", "grep GenuineIntel /proc/cpuinfo",
                         check=False).stdout:
        raise Skip("on Intel's processors only: make check-intel")
    guest = pattern(world, PaeGuest).start("a")
    guest.wait_pae(guest.created)
    for options in ("", "--precopy-iterations 1 --hot-pages 0"):
        since = world.lab.console.now()
        move_within(world, guest, options)
        guest.wait_pae(since)
    assert_moved_within(world, guest, moves=2)


def halves(world):
    return {seen["role"]: seen for seen in status(world, "a")}


def lost_and_recovered(world, lose, pager="", **how):
    """A migration that `lose(migration)` ends while the guest runs as the new
    domain, and another connection that goes on."""
    guest = pattern(world).start("a")
    migration = migrate_within(world, guest, SLOW, pager, **how)
    migration.wait_output(POSTCOPY)
    guest.wait(guest.beat_pattern, migration.started, 60)
    lose(migration)
    migration.expect_failure("handed over", "--migratedaway", "do not resume",
                             RECOVERY_LINE)
    assert migration.finish() == PAUSED
    world.recover(migration).expect_success()
    assert_moved_within(world, guest)


def receiver_killed(world, pager=""):
    def kill(_):
        world.lab.run("a", f"kill -9 {halves(world)['destination']['pid']}")

    lost_and_recovered(world, kill, pager)


@on_request(TAKES_LONG)
def test_local_receiver_killed(world):
    """Another one takes its place."""
    receiver_killed(world)


@on_request(TAKES_LONG)
def test_local_access_pattern(world):
    """Without memory paging: all at once, and what a round has left."""
    guest = pattern(world).start("a")
    for options in ("", "--precopy-iterations 2"):
        summary = move_within(world, guest, options, pager=ACCESS)
        assert summary["left for postcopy"] > 0, summary
        faults = summary["faults of the guest"]
        assert faults > 0 or options, summary
    assert_moved_within(world, guest, moves=2)


@on_request(TAKES_LONG)
def test_local_access_linux(world):
    guest = world.linux(vcpus=2, tree=4, more_config=DOM0_FIRST).start("a")
    summary = move_within(world, guest, "--precopy-iterations 1", pager=ACCESS)
    assert summary["of these requested"] > 0, summary
    assert_moved_within(world, guest)


@on_request(TAKES_LONG)
def test_local_access_receiver_killed(world):
    """Another one takes its place."""
    receiver_killed(world, ACCESS)


@on_request(TAKES_LONG)
def test_local_access_link_cut(world):
    """The guest runs on without its link, and gets all of its memory by another."""
    lost_and_recovered(world, lambda migration: migration.kill_transport(), ACCESS,
                       transport="loop")


@on_request(TAKES_LONG)
def test_local_access_balloon(world):
    """A guest that gives memory back after a move, and is moved with these holes."""
    full, less = 128, 96
    guest = world.linux(memory=full, vcpus=1, tree=4,
                        more_config=DOM0_FIRST).start("a")
    move_within(world, guest, pager=ACCESS)
    must_set_memory(world, guest, less)
    await_held(world, guest, less)
    guest.assert_runs()
    move_within(world, guest, pager=ACCESS)
    await_held(world, guest, less)
    must_set_memory(world, guest, full)
    await_held(world, guest, full)
    assert_moved_within(world, guest, moves=2)


DISK_FILE = "/root/access.img"
MIB = 1 << 20


@on_request(TAKES_LONG)
def test_local_access_disk_and_network(world):
    """Back ends copy what they read and write, from and to pages that have come."""
    lab = world.lab
    lab.run("a", f"truncate -s {64 * MIB} {DISK_FILE} && "
                 f"mke2fs -q -F -t ext4 {DISK_FILE} && dmesg --clear")
    disk = lab.run("a", f"losetup --show -f {DISK_FILE}").stdout.strip()
    guest = world.linux_with_devices(disk=disk, address=ADDRESS, vcpus=1, tree=2)
    guest.start("a")
    with Echo(lab, "a", ADDRESS) as echo:
        echo.wait_progress()
        move_within(world, guest, "--precopy-iterations 1", pager=ACCESS)
        assert_moved_within(world, guest)
        echo.wait_progress()
        echo.finish()
    lab.run("a", ["xl", "shutdown", "-w", guest.name], timeout=300)
    guest.assert_sound()
    lab.run("a", f"e2fsck -f -n {disk} && mkdir -p /mnt/disk && "
                 f"mount -o ro {disk} /mnt/disk && cd /mnt/disk && "
                 "sha256sum -c --quiet sums && cd / && umount /mnt/disk && "
                 f"losetup -d {disk}")
    bad = [line for line in lab.run("a", "dmesg").stdout.splitlines()
           if COMPLAINT.search(line)]
    assert not bad, "\n".join(bad)
