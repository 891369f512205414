# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection is lost after the go, and another one goes on."""

import json

from moving import POSTCOPY, RECOVERY_LINE, STOPPED
from test_1_moves import assert_moved
from test_8_control import status
from test_smp import put_dom0_first
from world import TAKES_LONG, Skip, on_request

# The push hardly moves: nearly all pages that come are requested.
SLOW = "--background-rate 4K"
PAUSED = 3
TAKEN_BACK = 4


def move_slowly(world, options=""):
    """A guest that runs at the destination and lacks most of its memory; options
    are both ends'."""
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, f"{SLOW} {options}",
                              receive_options=options)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    return guest, migration


def assert_paused(world, guest):
    """Both ends say that the migration is paused, and what to do; the source keeps its
    copy."""
    away = f"{guest.name}--migratedaway"
    assert list(world.domains("a")) == [away], world.domains("a")
    assert world.domains("a")[away][3] == "s", world.domains("a")
    assert list(world.domains("b")) == [guest.name], world.domains("b")
    for host in ("a", "b"):
        world.until(lambda: [seen["state"] for seen in status(world, host)]
                    == ["paused"],
                    lambda: f"{host} shows {status(world, host)}")
        seen, = status(world, host)
        assert seen["outstanding-pages"] > 0, seen
    assert "xl migrate-recover" in status(world, "b")[0]["reason"]


def assert_recovers(world, guest, migration):
    world.recover(migration).expect_success()
    assert_moved(world, guest, "a", "b")
    world.until(lambda: not status(world, "b"),
                lambda: f"b still shows {status(world, 'b')}")


def cut(world):
    guest, migration = move_slowly(world)
    migration.kill_transport()
    migration.expect_failure("handed over", "--migratedaway", "do not resume",
                             RECOVERY_LINE)
    assert migration.finish() == PAUSED
    migration.receiver.wait_output("runs on here, until it needs memory")
    return guest, migration


def test_connection_cut_in_postcopy(world):
    guest, migration = cut(world)
    assert_paused(world, guest)
    assert_recovers(world, guest, migration)


def test_sender_killed_in_postcopy(world):
    guest, migration = move_slowly(world)
    migration.kill_sender()
    assert migration.finish() != 0
    world.until(lambda: [seen["state"] for seen in status(world, "a")]
                == ["killed"],
                lambda: f"a shows {status(world, 'a')}")
    assert "xl migrate-recover" in status(world, "a")[0]["reason"]
    assert_recovers(world, guest, migration)


def kill_receiver(world, guest):
    """The present receiver is killed. Its guest is still shown, and runs on until it
    needs memory that has not come."""
    before, = status(world, "b")
    world.lab.run("b", f"kill -9 {before['pid']}")
    world.until(lambda: [seen["state"] for seen in status(world, "b")]
                == ["killed"],
                lambda: f"b shows {status(world, 'b')}")
    assert "xl migrate-recover" in status(world, "b")[0]["reason"]
    left = world.domains("b")[guest.name]
    assert not set(left) & set("pscd"), f"b has {world.domains('b')}"


def test_receiver_killed_in_postcopy(world):
    """Another takes its place; and when that is killed as well, a third."""
    guest, migration = move_slowly(world)
    kill_receiver(world, guest)
    migration.expect_failure("handed over", "--migratedaway", "do not resume",
                             RECOVERY_LINE)
    assert migration.finish() == PAUSED
    again = world.recover(migration, SLOW)
    again.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=again.started)
    kill_receiver(world, guest)
    assert again.finish() == PAUSED
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_a_successor_writes_a_trace(world):
    """The successor's trace has only its own part, and is joined with the source's."""
    if world.lab.run("a", "command -v python3", check=False).returncode:
        raise Skip("the hosts have no python3")
    guest, migration = move_slowly(world)
    kill_receiver(world, guest)
    assert migration.finish() == PAUSED
    world.recover(migration, "--trace /root/after",
                  receive_options="--trace /root/after").expect_success()
    found = json.loads(world.lab.run(
        "a", "xl-migrate-trace /root/after --host xen-b --json").stdout)
    assert found["clock"]["joined"], found
    assert found["faults"] > 0, found
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_receiver_killed_with_vcpus_waiting(world):
    """The guest has more vCPUs than the hypervisor's ring has room for."""
    put_dom0_first(world)
    guest = world.pattern(memory=64, vcpus=12).start("a")
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    kill_receiver(world, guest)
    assert migration.finish() == PAUSED
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_connection_cut_again_in_recovery(world):
    guest, migration = cut(world)
    for _ in range(2):
        again = world.recover(migration, SLOW)
        again.wait_output(POSTCOPY)
        again.kill_transport()
        again.expect_failure("Recovery failed", "Nothing has changed")
        assert again.finish() == PAUSED
        assert_paused(world, guest)
    assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_recovery_from_a_host_that_knows_nothing(world):
    guest, migration = cut(world)
    wrong = world.recover(migration, to="a")
    wrong.expect_failure("knows nothing of that migration", "right one",
                         "Nothing has changed")
    assert wrong.finish() == PAUSED
    assert_paused(world, guest)
    # Recover it by the name that its domain has here.
    again = world.recover(migration, domain=f"{guest.name}--migratedaway")
    again.expect_success()
    assert_moved(world, guest, "a", "b")


def test_guest_that_never_ran_there_is_taken_back(world):
    """The sender is killed while the guest is stopped: only the destination knows
    whether the go was sent."""
    guest = world.pattern(memory=32).start("a")
    migration = world.migrate(guest, die_at=STOPPED)
    assert migration.finish() != 0
    assert POSTCOPY not in migration.output
    recovery = world.recover(migration)
    assert recovery.finish() == TAKEN_BACK, recovery.all_output()
    assert "never ran at the destination" in recovery.output
    guest.assert_runs()
    guest.assert_ran_once("a")
    world.assert_only_at(guest, "a")
    world.move(guest)
    assert_moved(world, guest, "a", "b")
