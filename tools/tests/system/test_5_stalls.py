# SPDX-License-Identifier: LGPL-2.1-or-later
"""The link between the hosts stands still, and nothing tells either end that it is
cut."""

import contextlib
import re

from guests import SIGN_OF_LIFE_LIMIT
from moving import POSTCOPY, PRECOPY, RECOVERY_LINE, STOPPED, Process
from test_1_moves import assert_moved
from test_3_errors_before_the_go import (ENDLESS_PRECOPY, assert_unharmed,
                                         small)
from test_4_recovery import (PAUSED, SLOW, assert_paused, assert_recovers,
                             move_slowly)
from test_8_control import control, status
from world import TAKES_LONG, on_request


def give_up(world, guest, migration):
    """A person gives it up."""
    control(world, "a", f"abort {guest.name}")
    migration.expect_failure("aborted on request", "runs on here")
    assert POSTCOPY not in migration.output


@on_request(TAKES_LONG)
def test_stalled_in_precopy_and_given_up(world):
    guest = small(world)
    migration = world.migrate(guest, ENDLESS_PRECOPY, stall_at=PRECOPY)
    migration.wait_output(PRECOPY)
    guest.wait_beat()
    give_up(world, guest, migration)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_stalled_while_it_is_prepared_and_given_up(world):
    guest = small(world)
    migration = world.migrate(guest, stall_at="preparing the destination")
    migration.wait_output("preparing the destination")
    guest.wait_beat()
    give_up(world, guest, migration)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_stalled_while_the_guest_is_stopped_and_given_up(world):
    guest = small(world)
    migration = world.migrate(guest, stall_at=STOPPED)
    migration.wait_output(STOPPED)
    give_up(world, guest, migration)
    guest.wait(r"^\(d\d+\) resume cancelled", guest.created,
               SIGN_OF_LIFE_LIMIT)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_source_gives_up_by_itself_while_the_guest_is_stopped(world):
    guest = small(world)
    migration = world.migrate(guest, stall_at=STOPPED)
    migration.expect_failure("is the link cut", "runs on here")
    assert POSTCOPY not in migration.output
    assert_unharmed(world, guest, migration)


@contextlib.contextmanager
def without_a_network(world, host):
    """No packet gets in or out, and neither end gets an error."""
    world.lab.run(host, "ip link set lab0 down")
    try:
        yield
    finally:
        world.lab.run(host, "ip link set lab0 up")


@on_request(TAKES_LONG)
def test_both_ends_give_up_by_themselves_before_the_go(world):
    """The destination gets nothing more from its source, and counts it as lost after
    three minutes."""
    guest = small(world)
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    with without_a_network(world, "b"):
        give_up(world, guest, migration)
        guest.assert_runs()
        world.until(lambda: not world.domains("b"),
                    lambda: f"b keeps {world.domains('b')}", limit=300)
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_stalled_in_postcopy_until_it_goes_on(world):
    """The link stands still for a while and goes on: only time is lost."""
    guest, migration = move_slowly(world, "--link-timeout 0")
    migration.stall_transport()
    for host in ("a", "b"):
        seen, = status(world, host)
        assert seen["phase"] == "postcopy", seen
        assert seen["state"] == "running", seen
    control(world, "a", f"set-rate {guest.name} unlimited")
    migration.signal_transport("CONT")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")


def test_stalled_in_postcopy_with_a_timeout(world):
    """Both ends notice by themselves."""
    timeout = "--link-timeout 5"
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, f"{SLOW} {timeout}",
                              receive_options=timeout)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    with without_a_network(world, "b"):
        migration.expect_failure("is the link cut", "--migratedaway",
                                 RECOVERY_LINE)
        assert migration.finish() == PAUSED
        migration.receiver.wait_output("runs on here.*is the link cut")
        assert_paused(world, guest)
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_stalled_in_postcopy_and_left_after_a_minute(world):
    """No option says how long the link may stand still."""
    guest, migration = move_slowly(world)
    with without_a_network(world, "b"):
        migration.expect_failure("is the link cut", RECOVERY_LINE, status=PAUSED)
        migration.receiver.wait_output("runs on here.*is the link cut")
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_nobody_talks_to_a_receiver(world):
    """A receiver ends by itself, whatever it is for, and so when an octet comes at
    times."""
    for options in ("", " --recover"):
        for silence in ("sleep 300", "while sleep 2; do printf x; done"):
            # A program in a pipeline with the receiver is not waited for.
            receiver = Process(
                world.lab, "b", f"bash -c 'xl migrate-receive --postcopy{options} "
                f"< <({silence} 2> /dev/null)'")
            assert receiver.finish(120), receiver.output
            assert re.search("within 30 seconds|is the link cut|postcopy|stream",
                             receiver.output), receiver.output


@on_request(TAKES_LONG)
def test_stalled_in_postcopy_and_recovered(world):
    """As the manual says: kill the process at the source. The destination still counts
    the old connection as alive, until there is another one."""
    guest, migration = move_slowly(world, "--link-timeout 0")
    with without_a_network(world, "b"):
        migration.kill_sender()
        assert migration.finish() != 0
        seen, = status(world, "b")
        assert seen["state"] == "running", seen
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_stalled_in_a_recovery(world):
    guest, migration = move_slowly(world)
    migration.kill_transport()
    assert migration.finish() == PAUSED
    again = world.recover(migration, SLOW)
    again.wait_output(POSTCOPY)
    again.stall_transport()
    world.lab.run("a", "kill -9 $(pgrep -o -f '^xl migrate-recover')")
    again.kill_transport()
    assert again.finish() != 0
    world.until(lambda: [seen["state"] for seen in status(world, "b")]
                == ["paused"],
                lambda: f"b shows {status(world, 'b')}")
    assert_recovers(world, guest, migration)
