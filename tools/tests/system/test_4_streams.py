# SPDX-License-Identifier: LGPL-2.1-or-later
"""The push over several connections."""

import shlex

from moving import POSTCOPY, Migration, Process
from test_1_moves import assert_moved
from test_4_recovery import PAUSED
from test_4_tls import certificates, listener, move
from test_8_control import control, status
from world import TAKES_LONG, on_request

STREAMS = "over connections, at the end"
BESIDES = "those besides the first"
# The push hardly moves, so it is not over before all connections are there.
SLOW = "--background-rate 4K"
# The ssh at the source that carries the first connection, and the others.
FIRST = "'^ssh .*migrate-receive --postcopy$'"
OTHERS = "'^ssh .*migrate-receive --postcopy --recover$'"


def await_streams(world, migration, streams):
    """All of them are in use, and the push goes on."""
    world.until(lambda: [(seen["state"], seen["streams"]) for seen in
                         status(world, migration.source)]
                == [("running", streams)],
                lambda: f"the source shows {status(world, migration.source)}, "
                        f"and has said:\n{migration.output}")


def use_streams(world, guest, migration, streams):
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host=migration.dest, since=migration.started)
    await_streams(world, migration, streams)


def go_on(world, guest, migration):
    control(world, migration.source, f"set-rate {guest.name} unlimited")


def start(world, guest, streams, options=""):
    migration = world.migrate(guest, f"--streams {streams} {SLOW} {options}",
                              transport="ssh")
    use_streams(world, guest, migration, streams)
    return migration


class RecoveryBySsh(Migration):
    def __init__(self, migration, streams):
        self.guest = migration.guest
        self.source, self.dest = migration.source, migration.dest
        self.receiver = None
        Process.__init__(self, self.guest.lab, self.source, shlex.join(
            ["xl", "migrate-recover", "--streams", str(streams),
             *shlex.split(SLOW), self.guest.name, f"xen-{self.dest}"]))


def recover(world, migration, streams):
    recovery = RecoveryBySsh(migration, streams)
    world.migrations.append(recovery)
    await_streams(world, recovery, streams)
    go_on(world, migration.guest, migration)
    return recovery.expect_success()


def test_streams_there_and_back(world):
    guest = world.pattern(memory=64).start("a")
    for streams in (2, 4):
        migration = start(world, guest, streams)
        go_on(world, guest, migration)
        summary = migration.expect_success()
        assert summary[STREAMS] == streams, summary
        assert summary[BESIDES] > 0, summary
        assert summary["that came twice"] == 0, summary
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_a_stream_is_cut(world):
    guest = world.pattern(memory=64).start("a")
    migration = start(world, guest, 3)
    world.lab.run("a", f"kill -9 $(pgrep -o -f {OTHERS})")
    migration.wait_output("stream [12] is lost")
    guest.wait_beat(host="b", since=migration.started)
    go_on(world, guest, migration)
    summary = migration.expect_success()
    assert summary[STREAMS] == 2, summary
    assert summary["that came twice"] == 0, summary
    assert_moved(world, guest, "a", "b")


def test_first_of_several_is_cut(world):
    guest = world.pattern(memory=64).start("a")
    migration = start(world, guest, 2)
    world.lab.run("a", f"kill -9 $(pgrep -o -f {FIRST})")
    migration.expect_failure("handed over", "migrate-recover .*--streams 2 ",
                             status=PAUSED)
    summary = recover(world, migration, 2)
    assert summary[BESIDES] > 0, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_receiver_of_several_is_killed(world):
    guest = world.pattern(memory=64).start("a")
    migration = start(world, guest, 2)
    world.lab.run(
        "b", "kill -9 $(pgrep -o -f '^xl migrate-receive --postcopy$')")
    migration.expect_failure("handed over", status=PAUSED)
    summary = recover(world, migration, 2)
    assert summary[BESIDES] > 0, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_streams_over_tls(world):
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "b"):
        migration = move(world, guest, f"--streams 3 {SLOW}")
        use_streams(world, guest, migration, 3)
        go_on(world, guest, migration)
        summary = migration.expect_success()
    assert summary[STREAMS] == 3, summary
    assert summary[BESIDES] > 0, summary
    assert_moved(world, guest, "a", "b")
