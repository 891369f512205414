# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sender is killed, in each state of the migration."""

from moving import PRECOPY
from test_1_moves import assert_moved
from test_3_errors_before_the_go import (ENDLESS_PRECOPY, assert_unharmed,
                                         small)
from test_4_recovery import TAKEN_BACK
from test_8_control import status
from world import TAKES_LONG, on_request

EVICTING = "telling the destination what it lacks"
READY = "the destination is ready"
GO = "the guest is handed over"
COMPLETE = "the destination has everything"


def sender_killed(world, line, options=""):
    guest = small(world)
    migration = world.migrate(guest, options, die_at=line)
    assert migration.finish() != 0, migration.all_output()
    assert line in migration.output, migration.all_output()
    return guest, migration


def assert_left_alone(world, guest, migration):
    """The guest was not stopped yet: the killed process has left nothing that would
    be in the way of the next one."""
    world.until(lambda: not world.domains("b"),
                lambda: f"b keeps {world.domains('b')}")
    assert [seen["state"] for seen in status(world, "a")] == ["killed"]
    recovery = world.recover(migration)
    recovery.expect_failure("not suspended: there is nothing to recover")
    # The receiver waits for a connection that no process makes.
    world.lab.run("b", "kill $(pgrep -x socat)", check=False)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_sender_killed_while_it_prepares(world):
    guest, migration = sender_killed(world, "preparing the destination")
    assert_left_alone(world, guest, migration)


@on_request(TAKES_LONG)
def test_sender_killed_in_precopy(world):
    guest, migration = sender_killed(world, PRECOPY, ENDLESS_PRECOPY)
    assert_left_alone(world, guest, migration)


def assert_nothing_lost(world, guest, migration):
    """At whatever point the sender was killed: the guest runs on at a, or a
    recovery by what the hosts keep brings it to b or back."""
    world.until(lambda: migration.receiver.ended or
                [seen["state"] for seen in status(world, "b")] == ["paused"],
                lambda: f"b shows {status(world, 'b')}")
    state, = world.domains("a").values()
    if state[3] != "s":
        assert_unharmed(world, guest, migration)
        return
    recovery = world.recover(migration)
    if recovery.finish() == TAKEN_BACK:
        assert_unharmed(world, guest, migration)
        return
    recovery.expect_success()
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_sender_killed_while_pages_are_evicted(world):
    assert_nothing_lost(world, *sender_killed(world, EVICTING))


@on_request(TAKES_LONG)
def test_sender_killed_when_the_destination_is_ready(world):
    assert_nothing_lost(world, *sender_killed(world, READY))


def test_sender_killed_at_the_go(world):
    assert_nothing_lost(world, *sender_killed(world, GO))


@on_request(TAKES_LONG)
def test_sender_killed_when_all_has_come(world):
    """The sender may have destroyed the domain by then, or not."""
    guest, migration = sender_killed(world, COMPLETE)
    migration.receiver.finish()
    if world.domains("a"):
        world.recover(migration).expect_success()
    guest.host = "b"
    assert_moved(world, guest, "a", "b")
