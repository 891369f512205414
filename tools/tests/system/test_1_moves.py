# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations that succeed."""

from xenlab import LabError

from world import TAKES_LONG, Skip, on_request


def assert_moved(world, guest, *route):
    """The guest is where the route ends and nowhere else, sound, checked in full
    since, and it ran on one host at a time."""
    guest.assert_runs()
    guest.assert_ran_once(*route)
    world.assert_only_at(guest, route[-1])


def test_pure_postcopy_of_a_guest_that_writes_all_its_memory(world):
    guest = world.pattern(memory=128, rate="max", check="max").start("a")
    summary = world.move(guest)
    assert summary["precopy rounds"] == 0, summary
    assert summary["sent while it ran here"] == 0, summary
    assert summary["of these requested"] > 0, summary
    assert summary["left for postcopy"] > 0, summary
    assert_moved(world, guest, "a", "b")


def test_hybrid(world):
    guest = world.pattern(working_set=16).start("a")
    summary = world.move(guest, "--precopy-iterations 2")
    assert summary["precopy rounds"] == 2, summary
    assert summary["sent while it ran here"] > 0, summary
    assert 0 < summary["left for postcopy"] < 16384, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_an_idle_guest_ends_in_stop_and_copy(world):
    guest = world.pattern(rate="none", check=4000).start("a")
    migration = world.migrate(guest, "--precopy-iterations 5 "
                                     "--precopy-dirty-threshold 1000")
    summary = migration.expect_success()
    assert 0 < summary["precopy rounds"] < 5, summary
    assert "left for postcopy" not in summary, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_there_and_back_again(world):
    """The second and third moves start from a domain that came by postcopy."""
    guest = world.pattern().start("a")
    world.move(guest)
    guest.wait_beat()
    world.move(guest)
    guest.wait_beat()
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a", "b")


def test_over_ssh(world):
    guest = world.pattern(memory=32).start("b")
    world.move(guest, transport="ssh")
    assert_moved(world, guest, "b", "a")


def play_linux(world, guest, play):
    """A test of a Linux guest, which runs again if the emulated processor kills the
    guest."""
    for _ in range(3):
        try:
            return play(world, guest)
        except (AssertionError, LabError):
            if not guest.killed_by_emulation():
                raise
        world.note("once more, as QEMU gave the guest an interrupt twice")
        world.clean()
    raise Skip("QEMU gave the guest an interrupt twice, three times over")


def linux_there_and_back(world, guest):
    guest.start("a")
    world.move(guest)
    assert_moved(world, guest, "a", "b")
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_linux_with_two_vcpus_and_file_trees(world):
    """The guest checks its files all the time, so during the moves as well."""
    play_linux(world, world.linux(), linux_there_and_back)
