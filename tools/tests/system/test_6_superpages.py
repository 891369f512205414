# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose memory has come gets superpages again."""

import json

from test_1_moves import assert_moved
from test_8_control import control
from world import TAKES_LONG, on_request

SUPERPAGES = "--superpages"
JOIN_LIMIT = 300        # seconds
# Stops the receiver again and again, until the guest is paused at that moment: the
# receiver is in the middle of a region then, and is killed.
KILL_IN_REGION = """\
pid=$(cat /run/receiver.pid)
while kill -STOP $pid; do
    case "$(xl list %s | tail -n 1)" in
    *--p---*) kill -9 $pid; exit 0;;
    esac
    kill -CONT $pid
    sleep 0.03
done
exit 1
"""


def joined(world, migration):
    """How many regions have superpages, once the receiver has ended; what it prints is
    lost with the connection."""
    assert migration.receiver_ends_within(JOIN_LIMIT), migration.all_output()
    ended = json.loads(control(world, migration.dest, "status --completed --json "
                               f"{migration.guest.name}").stdout)[-1]
    assert ended["state"] == "complete", ended
    return ended["superpages"]


def test_superpages_come_back(world):
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, receive_options=SUPERPAGES)
    migration.expect_success()
    # 32 regions, but for the first and what the guest has granted or Xen holds.
    assert joined(world, migration) >= 24, migration.all_output()
    assert_moved(world, guest, "a", "b")
    world.move(guest)
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_superpages_of_linux(world):
    guest = world.linux(memory=128).start("a")
    migration = world.migrate(guest, receive_options=SUPERPAGES)
    migration.expect_success()
    assert joined(world, migration) > 0, migration.all_output()
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_receiver_killed_while_a_region_is_away(world):
    """The pages go back, and the guest runs on, after each of three kills."""
    guest = world.pattern(memory=64).start("a")
    route = ["a"]
    for _ in range(3):
        migration = world.migrate(guest, receive_options=SUPERPAGES)
        migration.expect_success()
        there = migration.dest
        route.append(there)
        killed = world.lab.run(there, KILL_IN_REGION % guest.name, check=False)
        assert killed.returncode == 0, migration.all_output()
        world.until(lambda: not world.is_paused(there, guest.name),
                    lambda: f"the guest stays paused:\n{migration.all_output()}")
        assert_moved(world, guest, *route)
