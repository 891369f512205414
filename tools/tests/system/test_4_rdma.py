# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations by RDMA, which both hosts' kernels do over their Ethernet (rdma_rxe)."""

import contextlib

from moving import (CARRIER, POSTCOPY, RECOVERY_LINE, STOPPED, TCP_PORT,
                    Process, connect, other)
from test_1_moves import assert_moved
from test_4_fault_channel import CHANNEL, REQUESTED
from test_4_recovery import PAUSED, SLOW, assert_paused
from test_8_control import control, status
from world import TAKES_LONG, on_request

DEVICE = "rxe0"
REMOVAL_LIMIT = 120
NETWORK = "xenbr0"
ADDRESS = {"a": "10.0.0.1", "b": "10.0.0.2"}
RUNS_ON = "The guest runs on here, as before"


@contextlib.contextmanager
def devices(world):
    """Each host has an RDMA device.  If a test fails, processes may still use the device,
    and the kernel would not remove it before they end: the next test gets other hosts
    instead."""
    for host in world.lab.hosts:
        world.lab.run(host, "modprobe -a rdma_rxe rdma_ucm ib_uverbs && "
                      f"rdma link add {DEVICE} type rxe netdev {NETWORK}")
    yield
    for host in world.lab.hosts:
        world.lab.run(host, f"rdma link delete {DEVICE}", timeout=REMOVAL_LIMIT)


def carriers(world, host):
    return world.lab.run(host, f"pgrep -x {CARRIER}", check=False).stdout.split()


def assert_whole(world, *hosts):
    for host in hosts:
        world.until(lambda: not status(world, host),
                    lambda: f"host {host} shows {status(world, host)}")
        assert_no_carriers(world, host)


def assert_no_carriers(world, host):
    world.until(lambda: not carriers(world, host),
                lambda: f"host {host} has the processes {carriers(world, host)}")


def move_slowly(world, options=""):
    """A guest that runs at the destination and lacks most of its memory."""
    guest = world.pattern(memory=32).start("a")
    migration = world.migrate(guest, f"{SLOW} {options}", transport="rdma")
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    return guest, migration


def assert_recovers(world, guest, migration):
    assert_paused(world, guest)
    world.recover(migration).expect_success()
    assert_moved(world, guest, "a", "b")
    assert_whole(world, "a", "b")


def test_over_rdma_there_and_back(world):
    """With a fault channel on the way there, and rounds of precopy and several
    streams back."""
    with devices(world):
        guest, migration = move_slowly(world, "--fault-channel")
        for host in world.lab.hosts:
            assert len(carriers(world, host)) == 2, carriers(world, host)
        control(world, "a", f"set-rate {guest.name} unlimited")
        summary = migration.expect_success()
        assert summary[CHANNEL] == summary[REQUESTED] > 0, summary
        world.move(guest, "--precopy-iterations 2 --streams 2", transport="rdma")
        assert_moved(world, guest, "a", "b", "a")
        assert_whole(world, "a", "b")


def test_rdma_connection_cut_in_postcopy(world):
    with devices(world):
        guest, migration = move_slowly(world)
        migration.kill_transport()
        migration.expect_failure("handed over", "--migratedaway",
                                 "do not resume", RECOVERY_LINE,
                                 "migrate-recover .*--rdma ", status=PAUSED)
        assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_rdma_link_down_in_postcopy(world):
    """Neither end is told that the link is down: packets go unanswered."""
    with devices(world):
        guest, migration = move_slowly(world)
        world.lab.link(False)
        try:
            migration.expect_failure(
                "RDMA connection was cut|nothing was heard of the other host",
                "handed over", RECOVERY_LINE, status=PAUSED)
        finally:
            world.lab.link(True)
        assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_rdma_is_refused_without_a_device(world):
    guest = world.pattern(memory=32).start("a")
    world.migrate(guest, transport="rdma").expect_failure(
        "no connection by RDMA with xen-b", "RDMA device")
    guest.wait_beat(host="a")
    with devices(world):
        world.migrate(guest, "--rdma=10.0.2.15", transport="rdma").expect_failure(
            "no RDMA device has that address")
        guest.wait_beat(host="a")
        world.move(guest, transport="rdma")
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_rdma_connection_cut_before_the_go(world):
    """Cut in precopy, then in the stop: the guest runs on at the source."""
    with devices(world):
        guest = world.pattern(memory=32).start("a")
        world.migrate(guest, "--precopy-iterations 50 --background-rate 1M",
                      transport="rdma", cut_at="precopy: 1 round").expect_failure(
                          RUNS_ON)
        guest.wait_beat(host="a")
        world.migrate(guest, "--late-build", transport="rdma",
                      cut_at=STOPPED).expect_failure(RUNS_ON)
        guest.assert_runs()
        guest.assert_ran_once("a")
        world.assert_only_at(guest, "a")
        assert_whole(world, "b")
        assert_no_carriers(world, "a")     # which shows what has failed


@on_request(TAKES_LONG)
def test_rdma_stands_still_in_postcopy(world):
    """The transport stays connected, and carries nothing."""
    with devices(world):
        guest, migration = move_slowly(world, "--link-timeout 5")
        migration.stall_transport()
        migration.expect_failure("handed over", RECOVERY_LINE, status=PAUSED)
        assert_recovers(world, guest, migration)


@on_request(TAKES_LONG)
def test_either_end_killed_over_rdma(world):
    """The sender is killed, and then the receiver of the recovery."""
    with devices(world):
        guest, migration = move_slowly(world)
        migration.kill_sender()
        world.until(lambda: [seen["state"] for seen in status(world, "a")]
                    == ["killed"],
                    lambda: f"a shows {status(world, 'a')}")
        again = world.recover(migration, SLOW)
        again.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=again.started)
        before, = status(world, "b")
        world.lab.run("b", f"kill -9 {before['pid']}")
        assert again.finish() == PAUSED
        # The killed sender's ssh has waited for the receiver that it started.
        assert migration.finish() != 0
        world.recover(migration).expect_success()
        assert_moved(world, guest, "a", "b")
        assert_whole(world, "a", "b")


@on_request(TAKES_LONG)
def test_rdma_beside_any_connection(world):
    """To a listener that takes any host, and back by a command; then within the
    host."""
    with devices(world):
        guest = world.pattern(memory=32).start("a")
        listener = Process(world.lab, "b", "echo pid $$; exec xl migrate-listen "
                           f"--policy none {ADDRESS['b']}:{TCP_PORT}")
        listener.wait_output("listening at")
        try:
            migration = world.migrate(
                guest, f"--rdma={ADDRESS['b']} -s ''", transport="command",
                host=connect("xen-b"))
            migration.expect_success()
        finally:
            world.lab.run("b", f"kill {listener.output.split()[1]}")
            listener.finish()
        world.move(guest, f"--rdma={ADDRESS['a']}", transport="tcp")
        world.move(guest, f"--rdma={ADDRESS['a']}", transport="local")
        assert_moved(world, guest, "a", "b", "a")
        assert_whole(world, "a", "b")


@on_request(TAKES_LONG)
def test_a_host_is_emptied_by_rdma(world):
    with devices(world):
        guests = [world.pattern(memory=32, name=f"rdma{number}").start("a")
                  for number in range(2)]
        process = Process(world.lab, "a", "xl migrate-all --rdma xen-b")
        assert process.finish() == 0, process.output
        for guest in guests:
            guest.host = "b"
            guest.assert_runs()
        assert_whole(world, "a", "b")


# Each page by a fault of its own, and nothing else on the way.
ONE_BY_ONE = "--background-rate 1 --neighbours-below 0 --neighbours-above 0"


def rate_of(summary):
    """MiB a second, while the guest ran at the destination."""
    return summary["on the wire"] / summary["postcopy"]


@on_request(TAKES_LONG)
def test_rdma_beside_tcp_and_ssh(world):
    """Rates and waits, noted. RDMA is the kernels' here, in software over the same
    emulated Ethernet: nothing that a device would do faster shows."""
    with devices(world):
        for transport in ("tcp", "rdma", "ssh"):
            guest = world.pattern(memory=64).start("a")
            pushed = world.move(guest, transport=transport)
            world.lab.run("b", f"xl destroy {guest.name}")
            guest = world.pattern(memory=16, rate="max", check="max").start("a")
            migration = world.migrate(guest, ONE_BY_ONE, transport=transport)
            migration.wait_output(POSTCOPY)
            guest.host = "b"
            guest.wait_pass()
            # The guest never touches the few pages that it does not test.
            control(world, "a", f"set-rate {guest.name} unlimited")
            asked = migration.expect_success()
            world.lab.run("b", f"xl destroy {guest.name}")
            assert asked["faults of the guest"] > 1000, asked
            world.note(f"{transport}: {rate_of(pushed):.1f} MiB/s, a fault "
                       f"{asked['median wait']:.1f} ms in the median, 99 of 100 "
                       f"below {asked['99 of 100 below']:.1f} ms")
