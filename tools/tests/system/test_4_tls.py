# SPDX-License-Identifier: LGPL-2.1-or-later
"""Without ssh, by TLS: certificates of both hosts, and one listener for guests,
recoveries and fault channels."""

import contextlib
import re
import shlex
import tempfile

from certificates import FILES, Authority
from moving import POSTCOPY, TCP_PORT, Migration, Process, connect, other
from test_1_moves import assert_moved
from test_4_recovery import PAUSED, SLOW
from test_8_control import control, status
from world import TAKES_LONG, Skip, on_request

PLACE = "/root/tls"
TLS = f"--tls={PLACE}"
RUNS_ON = "The guest runs on here, as before"
# The process between xl and the network, where the kernel does no TLS.
BETWEEN = "xl-tls"
POLICY = "/etc/xen/xl-postcopy-receive.conf"


class OverTls(Migration):
    """`xl migrate`, or another command, of a guest to the listener of the other
    host."""

    def __init__(self, guest, options="", command="migrate --postcopy", host=None):
        self.guest = guest
        self.source, self.dest = guest.host, other(guest.host)
        self.receiver = None
        Process.__init__(self, guest.lab, self.source, shlex.join(
            ["xl", *command.split(), TLS, *shlex.split(options), guest.name,
             host or f"xen-{self.dest}"]))


def move(world, guest, options="", **how):
    migration = OverTls(guest, options, **how)
    world.migrations.append(migration)
    return migration


def recover(world, migration, options=""):
    """Check that the guest moved, and that xl says who did the TLS."""
    assert re.search(rf"(?m)^xl: {{5}}xl migrate-recover .*{TLS} ",
                     migration.output), migration.output
    recovery = OverTls(migration.guest, options, command="migrate-recover",
                       host=f"xen-{migration.dest}")
    recovery.source, recovery.dest = migration.source, migration.dest
    world.migrations.append(recovery)
    return recovery


def give(world, host, authority, names=FILES):
    for name in names:
        world.lab.put(host, authority.where / name, f"{PLACE}/{name}")


@contextlib.contextmanager
def certificates(world):
    """Both hosts have certificates; yields the CA."""
    with tempfile.TemporaryDirectory() as where:
        authority = Authority(where)
        for host in world.lab.hosts:
            for end in ("server", "client"):
                authority.make(end, f"xen-{host}")
            give(world, host, authority)
        try:
            yield authority
        finally:
            for host in world.lab.hosts:
                world.lab.run(host, f"rm -r {PLACE}")


@contextlib.contextmanager
def listener(world, host, options=""):
    """The listener ends; receivers that it has started go on without it."""
    process = Process(world.lab, host, "echo pid $$; exec xl migrate-listen "
                      f"{TLS} --policy none {options}")
    process.wait_output("listening at any address")
    pid = process.output.split()[1]
    try:
        yield process
    finally:
        world.lab.run(host, f"kill {pid}", check=False)
        process.finish()


@contextlib.contextmanager
def policy(world, host, text):
    """The host's configuration of the hosts that may send guests."""
    world.lab.run(host, f"cat > {POLICY}", input=text + "\n")
    try:
        yield
    finally:
        world.lab.run(host, f"rm {POLICY}")


def between(world, host):
    """The relays (xl-tls) on that host."""
    return world.lab.run(host, f"pgrep -x {BETWEEN}", check=False).stdout.split()


def note_who_does_it(world, host):
    if between(world, host):
        world.note(f"host {host}: a process does TLS")
    else:
        world.note(f"host {host}: the kernel does TLS")


def assert_whole(world, host):
    world.until(lambda: not status(world, host) and not between(world, host),
                lambda: f"host {host} has {status(world, host)} and the processes "
                        f"{between(world, host)}")


def test_over_tls_there_and_back(world):
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "a"), listener(world, "b"):
        migration = move(world, guest, SLOW)
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        for host in world.lab.hosts:
            note_who_does_it(world, host)
        control(world, "a", f"set-rate {guest.name} unlimited")
        migration.expect_success()
        move(world, guest).expect_success()
        for host in world.lab.hosts:
            assert_whole(world, host)
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_over_tls_without_the_kernel(world):
    """A relay at the source only on the way there, and at both ends on the way back."""
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "b"), \
            listener(world, "a", "--no-ktls"):
        migration = move(world, guest, f"--no-ktls {SLOW}")
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        assert between(world, "a")
        control(world, "a", f"set-rate {guest.name} unlimited")
        migration.expect_success()
        move(world, guest, "--no-ktls").expect_success()
        for host in world.lab.hosts:
            assert_whole(world, host)
    assert_moved(world, guest, "a", "b", "a")


def test_over_tls_connection_cut_and_recovered(world):
    """The recovery goes to the listener that has received the guest; the listener need
    not be told that it is a recovery."""
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "b"):
        migration = move(world, guest, f"--no-ktls {SLOW}")
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        world.lab.run("a", f"pkill -9 -x {BETWEEN}")
        migration.expect_failure("handed over", "--migratedaway",
                                 rf"xl migrate-recover .*{TLS} --no-ktls",
                                 status=PAUSED)
        recover(world, migration).expect_success()
        assert_whole(world, "b")
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_over_tls_connection_cut_in_the_kernel(world):
    """Without a relay that could be killed the test breaks the socket itself."""
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "b"):
        migration = move(world, guest, SLOW)
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        in_kernel = not between(world, "a")
        if in_kernel:
            world.lab.run("a", f"ss -K -t dst 10.0.0.2 dport = :{TCP_PORT}")
            migration.expect_failure("handed over", status=PAUSED)
            recover(world, migration).expect_success()
        else:
            control(world, "a", f"set-rate {guest.name} unlimited")
            migration.expect_success()
    assert_moved(world, guest, "a", "b")
    if not in_kernel:
        raise Skip("the kernel of host a does no TLS")


@on_request(TAKES_LONG)
def test_over_tls_receiver_killed_and_recovered(world):
    """The listener's next process takes the place of the killed receiver."""
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "b"):
        migration = move(world, guest, SLOW)
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        seen, = status(world, "b")
        world.lab.run("b", f"kill -9 {seen['pid']}")
        migration.expect_failure("handed over", status=PAUSED)
        recover(world, migration).expect_success()
        assert_whole(world, "b")
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_over_tls_fault_channel(world):
    guest = world.pattern(memory=64).start("a")
    with certificates(world), listener(world, "b"):
        migration = move(world, guest, f"--fault-channel {SLOW}")
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        control(world, "a", f"set-rate {guest.name} unlimited")
        summary = migration.expect_success()
        assert summary["over the fault channel"] == \
            summary["of these requested"] > 0, summary
    assert_moved(world, guest, "a", "b")


def assert_refused(world, guest, *patterns):
    move(world, guest).expect_failure(*patterns, RUNS_ON, status=1)
    assert not world.domains("b"), world.domains("b")


def test_over_tls_refused_certificates(world):
    """Refused connections, and the messages about them at both ends."""
    guest = world.pattern(memory=32).start("a")
    client = ("client-cert.pem", "client-key.pem")
    with certificates(world) as authority:
        with policy(world, "b", 'peers = [ "xen-c", "*.example" ]'), \
                listener(world, "b") as at_b:
            assert_refused(world, guest, r"\(xen-a\) is among the peers",
                           f"peers in {POLICY}")
            at_b.wait_output("certificate is for xen-a has connected")
        with listener(world, "b", "--peers 'xen-[ab]'") as at_b:
            authority.make("client", "xen-a", until="20010101000000Z")
            give(world, "a", authority, client)
            assert_refused(world, guest, f"{PLACE}/client-cert.pem has expired")
            authority.make("client", "xen-a")
            give(world, "a", authority, client)
            authority.make("server", "xen-c")
            give(world, "b", authority, ("server-cert.pem", "server-key.pem"))
            assert_refused(world, guest,
                           r"certificate of xen-b is for another name \(xen-c\)",
                           "--tls-hostname")
            at_b.wait_output("refuses this host's certificate")
            move(world, guest, "--tls-hostname xen-c").expect_success()
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_over_tls_against_one_without(world):
    """Each end is told what the other one needs."""
    guest = world.pattern(memory=32).start("a")
    with certificates(world), listener(world, "b") as at_b:
        migration = Process(world.lab, "a", shlex.join(
            ["xl", "migrate", "--postcopy", "-s", "", guest.name,
             connect("xen-b")]))
        migration.wait_output("accepts only connections by TLS")
        migration.wait_output(RUNS_ON)
        assert migration.finish() == 1
        at_b.wait_output("has its xl migrate no --tls?")
    with certificates(world):
        plain = Process(world.lab, "b",
                        "echo pid $$; exec xl migrate-listen 10.0.0.2")
        plain.wait_output("without TLS")
        assert_refused(world, guest, "answers without TLS")
        plain.wait_output("speaks TLS|is gone before")
        world.lab.run("b", f"kill {plain.output.split()[1]}")
        plain.finish()
    guest.assert_runs()
    world.assert_only_at(guest, "a")


@on_request(TAKES_LONG)
def test_over_tls_options_go_along(world):
    """First --check, then -p: the listener was started with neither."""
    guest = world.pattern(memory=32).start("a")
    with certificates(world), listener(world, "b"):
        looked = OverTls(guest, "--check")
        looked.wait_output("there  paging        ok")
        assert looked.finish() == 0, looked.output
        move(world, guest, "-p").expect_success()
        assert world.is_paused("b", guest.name)
        world.lab.run("b", ["xl", "unpause", guest.name])
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_over_tls_a_stock_migration(world):
    """The stock xl at both ends knows nothing of TLS."""
    guest = world.pattern(memory=32, rate=100).start("a")
    with certificates(world), listener(world, "b", "--stock"):
        migration = Process(world.lab, "a", shlex.join(
            ["xl", "migrate", "-s", "", guest.name,
             f"xl migrate-connect {TLS} xen-b"]))
        assert migration.finish() == 0, migration.output
    guest.host = "b"
    guest.assert_runs()
    world.assert_only_at(guest, "b")


@on_request(TAKES_LONG)
def test_over_tls_guests_at_the_same_time(world):
    """One process for each connection."""
    guests = [world.pattern(name=f"pattern{id}", id=id, memory=32,
                            rate=100).start("a") for id in (1, 2)]
    with certificates(world), listener(world, "b"):
        for migration in [move(world, guest) for guest in guests]:
            migration.expect_success()
    for guest in guests:
        guest.assert_runs()
        guest.assert_ran_once("a", "b")
    world.lab.run("b", ["xl", "destroy", guests[1].name])
    assert_moved(world, guests[0], "a", "b")
