# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests without Xen drivers: they are stopped wherever they are."""

from guests import HvmPatternGuest
from moving import STOPPED
from test_1_moves import assert_moved
from test_3_errors_before_the_go import RUNS_ON, assert_unharmed
from test_smp import assert_walked
from world import TAKES_LONG, on_request


@on_request(TAKES_LONG)
def test_pvh_without_drivers_is_refused(world):
    """libxl could only wait for such a guest."""
    guest = world.pattern(memory=32, drivers="no").start("a")
    migration = world.migrate(guest)
    migration.expect_failure("PVH guest without Xen drivers", "kernel",
                             RUNS_ON)
    guest.assert_runs()
    guest.assert_ran_once("a")
    world.assert_only_at(guest, "a")


@on_request(TAKES_LONG)
def test_hvm_without_drivers_there_and_back(world):
    guest = HvmPatternGuest(world.lab, memory=64, drivers="no").start("a")
    summary = world.move(guest)
    assert summary["of these requested"] > 0, summary
    guest.assert_runs()
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_hvm_without_drivers_with_four_vcpus(world):
    """They are stopped amid their work, and go on there."""
    guest = HvmPatternGuest(world.lab, memory=64, drivers="no", vcpus=4,
                            rate="max", check=4000).start("a")
    since = world.lab.console.now()
    world.move(guest)
    assert_moved(world, guest, "a", "b")
    assert_walked(guest, since)


@on_request(TAKES_LONG)
def test_hvm_without_drivers_stays_when_the_link_is_cut(world):
    """The guest is stopped by then, and no process has told it to go on."""
    guest = HvmPatternGuest(world.lab, memory=64, drivers="no").start("a")
    migration = world.migrate(guest, cut_at=STOPPED)
    migration.expect_failure(RUNS_ON)
    assert_unharmed(world, guest, migration)
