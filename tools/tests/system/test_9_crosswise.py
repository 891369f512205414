# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts of two releases, as in an upgrade of one host after the other:
`make check-crosswise`."""

from guests import HvmPatternGuest
from test_1_moves import assert_moved, play_linux
from test_3_errors_before_the_go import RUNS_ON
from test_4_recovery import assert_recovers, cut
from world import Skip, on_request
from xenlab import config

# From this release on the state of a guest has more in it than Xen before it takes.
LONGER_STATE = "trixie"


def takes_the_state():
    """Whether Xen at b knows all of the state of a guest at a."""
    source, dest = map(config.SUITES.index, config.suites())
    return not dest < config.SUITES.index(LONGER_STATE) <= source


def crosswise(test):
    """Runs only with hosts of two releases."""
    @on_request("needs hosts of two releases")
    def run(world):
        if len(config.suites()) < 2:
            raise Skip("needs XEN_LAB_SUITE=ONE,ANOTHER; make check-crosswise "
                       "runs it")
        test(world)
    return run


def to_the_other_release(world, guest):
    """The guest moves there, or is refused with the reason and stays."""
    guest.start("a")
    migration = world.migrate(guest, "--precopy-iterations 1")
    if takes_the_state():
        migration.expect_success()
        assert_moved(world, guest, "a", "b")
        return
    migration.expect_failure("comes from Xen .* which may not know all of",
                             RUNS_ON)
    guest.assert_runs()
    guest.assert_ran_once("a")
    world.assert_only_at(guest, "a")


@crosswise
def test_crosswise_pvh(world):
    to_the_other_release(world, world.pattern())


@crosswise
def test_crosswise_linux(world):
    play_linux(world, world.linux(), to_the_other_release)


@crosswise
def test_crosswise_hvm(world):
    to_the_other_release(world, HvmPatternGuest(world.lab, memory=64))


@crosswise
def test_crosswise_link_cut(world):
    if not takes_the_state():
        raise Skip("no guest gets there")
    guest, migration = cut(world)
    assert_recovers(world, guest, migration)
