# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts that are far from each other: 50 ms there and back, 100 Mb/s, and one packet
in a hundred is lost, by the kernels' netem.  None of these tests is for a time: each
says in a note how long it took."""

import contextlib

from moving import POSTCOPY, RECOVERY_LINE
from test_1_moves import assert_moved
from test_4_recovery import PAUSED, SLOW, assert_paused
from world import on_request

WHY = "makes the hosts' network slow"
INTERFACE = "lab0"
FAR = "netem delay 25ms loss 1% rate 100mbit limit 10000"
HYBRID = "--precopy-iterations 2"


@contextlib.contextmanager
def far_away(world, what=FAR):
    """What each host sends comes so."""
    for host in world.lab.hosts:
        world.lab.run(host, "modprobe sch_netem && "
                      f"tc qdisc replace dev {INTERFACE} root {what}")
    try:
        yield
    finally:
        for host in world.lab.hosts:
            world.lab.run(host, f"tc qdisc del dev {INTERFACE} root")


def note(world, what, summary):
    shown = ", ".join(f"{name} {summary[name]}" for name in
                      ("stopped, seen from here", "on the wire",
                       "faults of the guest", "sent compressed")
                      if name in summary)
    world.note(f"{what}: {shown}")


@on_request(WHY)
def test_over_a_wide_area_there_and_back(world):
    """Compressed where that is faster, and back with everything compressed."""
    with far_away(world):
        guest = world.pattern(memory=32).start("a")
        note(world, "auto", world.move(guest, "--compress auto"))
        summary = world.move(guest, "--compress zstd")
        note(world, "zstd", summary)
        assert summary["sent compressed"] > 0, summary
        assert summary["that came twice"] == 0, summary
        assert_moved(world, guest, "a", "b", "a")


@on_request(WHY)
def test_over_a_wide_area_with_rounds_there_and_back(world):
    """After rounds of precopy, and back by auto, over a fault channel and several
    streams."""
    with far_away(world):
        guest = world.pattern(memory=32).start("a")
        note(world, "two rounds", world.move(guest, HYBRID))
        summary = world.move(guest, "--fault-channel --streams 4", when="auto",
                             transport="ssh")
        note(world, "auto by ssh", summary)
        assert_moved(world, guest, "a", "b", "a")


@on_request(WHY)
def test_over_a_wide_area_cut_and_recovered(world):
    with far_away(world):
        guest = world.pattern(memory=32).start("a")
        migration = world.migrate(guest, f"{SLOW} --compress zstd")
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        migration.kill_transport()
        migration.expect_failure("handed over", RECOVERY_LINE,
                                 "migrate-recover .*--compress zstd",
                                 status=PAUSED)
        assert_paused(world, guest)
        world.recover(migration, "--compress zstd").expect_success()
        assert_moved(world, guest, "a", "b")
