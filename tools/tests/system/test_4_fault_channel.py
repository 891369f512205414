# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault channel: a second connection for requested pages."""

from moving import POSTCOPY
from test_1_moves import assert_moved
from test_8_control import control
from world import TAKES_LONG, on_request

CHANNEL = "over the fault channel"
REQUESTED = "of these requested"
# A pattern for the process that xl starts at the source for the channel, and for no
# other.
SECOND = "migrate-receive --postcopy --recover"
# The push hardly moves: nearly all pages that come are requested.
SLOW = "--background-rate 4K"


def test_second_ssh_brings_what_is_asked_for(world):
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, f"--fault-channel {SLOW}",
                              transport="ssh")
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    control(world, "a", f"set-rate {guest.name} unlimited")
    summary = migration.expect_success()
    assert summary[CHANNEL] == summary[REQUESTED] > 0, summary
    assert summary["that came twice"] == 0, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_second_ssh_is_lost(world):
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, f"--fault-channel {SLOW}",
                              transport="ssh")
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    world.lab.run("a", f"kill -9 $(pgrep -o -f '^ssh .*{SECOND}')")
    migration.wait_output("the fault channel is lost")
    guest.wait_beat(host="b", since=migration.started)
    control(world, "a", f"set-rate {guest.name} unlimited")
    summary = migration.expect_success()
    assert summary["that came twice"] == 0, summary
    assert_moved(world, guest, "a", "b")
