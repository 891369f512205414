"""Hosts of two releases, as there are while they are upgraded one by one:
`make check-crosswise`."""

from guests import HvmPatternGuest
from test_1_moves import assert_moved, play_linux
from test_4_recovery import assert_recovers, cut
from world import Skip, on_request
from xenlab import config


def crosswise(test):
    """Of hosts of two releases only."""
    @on_request("wants hosts of two releases")
    def run(world):
        if len(config.suites()) < 2:
            raise Skip("wants XEN_LAB_SUITE=ONE,ANOTHER; make check-crosswise "
                       "runs it")
        test(world)
    return run


def to_the_other_release(world, guest):
    guest.start("a")
    world.move(guest, "--precopy-iterations 1")
    assert_moved(world, guest, "a", "b")


@crosswise
def test_crosswise_pvh(world):
    guest = world.pattern().start("a")
    summary = world.move(guest)
    assert summary["of these requested"] > 0, summary
    assert_moved(world, guest, "a", "b")


@crosswise
def test_crosswise_linux(world):
    play_linux(world, world.linux(), to_the_other_release)


@crosswise
def test_crosswise_hvm(world):
    to_the_other_release(world, HvmPatternGuest(world.lab, memory=64))


@crosswise
def test_crosswise_link_cut(world):
    guest, migration = cut(world)
    assert_recovers(world, guest, migration)
