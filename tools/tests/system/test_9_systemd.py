# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units of docs/examples/systemd: a receiver for each connection, without
ssh and without a terminal. The hosts have another init, so a service manager of root's
runs the units."""

import contextlib
import shlex
import subprocess

from guests import TREE
from moving import POSTCOPY, Migration, Process
from test_1_moves import assert_moved
from world import Skip, TAKES_LONG, on_request

UNITS = TREE / "docs" / "examples" / "systemd"
SOCKET = "xl-migrate-receive.socket"
PLACE = "/root/.config/systemd/user"
ADDRESS = "10.0.0.2:8005"
LOG = "/root/receiver.log"

# The settings of an administrator, and where the lab's xl and log are.
DROP_INS = {
    f"{SOCKET}.d": f"[Socket]\nListenStream={ADDRESS}\nIPAddressAllow=10.0.0.1\n",
    "xl-migrate-receive@.service.d":
        "[Service]\nExecStart=\n"
        "ExecStart=/usr/local/sbin/xl migrate-receive --postcopy\n"
        f"StandardError=append:{LOG}\n"}

MANAGER = (
    "mkdir -p /run/systemd/system /run/user/0 && chmod 700 /run/user/0 && "
    "{ mountpoint -q /sys/fs/cgroup || "
    "mount -t cgroup2 cgroup /sys/fs/cgroup; } && "
    "exec env XDG_RUNTIME_DIR=/run/user/0 SYSTEMD_LOG_TARGET=console "
    f"/lib/systemd/systemd --user --unit={SOCKET}")


class ToUnit(Migration):
    """`xl migrate` from host a to the receiver that listens already."""

    def __init__(self, guest):
        self.guest, self.source, self.dest = guest, "a", "b"
        self.receiver = None
        transport = f"exec socat -b 131072 STDIO TCP:{ADDRESS},nodelay"
        Process.__init__(self, guest.lab, "a", shlex.join(
            ["xl", "migrate", "--postcopy", "-s", "", guest.name, transport]))


@contextlib.contextmanager
def units(world):
    lab = world.lab
    if lab.run("b", "test -e /lib/systemd/systemd", check=False).returncode:
        raise Skip("the hosts have no systemd")
    for unit in UNITS.iterdir():
        lab.put("b", unit, f"{PLACE}/")
    for name, text in DROP_INS.items():
        lab.run("b", f"mkdir -p {PLACE}/{name} && "
                f"cat > {PLACE}/{name}/lab.conf", input=text)
    manager = Process(lab, "b", f"echo pid $$; {MANAGER}")
    manager.wait_output("^pid")
    try:
        world.until(
            lambda: manager.ended or
            ADDRESS in lab.run("b", "ss -ltn").stdout,
            lambda: f"nobody listens on {ADDRESS}:\n{manager.output}")
        assert not manager.ended, manager.output
        yield
    finally:
        pid = manager.output.split()[1]
        lab.run("b", f"kill {pid}", check=False)
        manager.finish()
        lab.run("b", f"rm -r {PLACE}")


# Stands in for a unit that ends guests, or moves them, when a host shuts down.
STAND_IN = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/bin/touch /run/{0}.stopped
"""
SCOPES = ("xendomains", "session-7")


@contextlib.contextmanager
def shutdown_unit(world, host):
    """The unit that waits, as it is installed, with xendomains and a session
    beside it; yields what stops all of them, in order, as a host's shutdown."""
    lab = world.lab
    if lab.run(host, "test -e /lib/systemd/systemd", check=False).returncode:
        raise Skip("the hosts have no systemd")
    installed = lab.run(host, "cat /usr/local/lib/systemd/system/"
                        "xl-migrate-wait.service").stdout
    # A user's manager has no console.
    unit = "".join(line for line in installed.splitlines(True)
                   if "console" not in line) + \
        f"[Service]\nStandardError=append:{LOG}\n"
    lab.run(host, f"mkdir -p {PLACE}; cat > {PLACE}/xl-migrate-wait.service",
            input=unit)
    drop_in = lab.run(host, "cat /usr/local/lib/systemd/system/"
                      "session-.scope.d/xl-migrate-wait.conf").stdout
    for name in SCOPES:
        text = STAND_IN.format(name)
        if name.startswith("session"):
            text = drop_in + text
        lab.run(host, f"rm -f /run/{name}.stopped; "
                f"cat > {PLACE}/{name}.service", input=text)
    manager = Process(lab, host, "echo pid $$; " + MANAGER.replace(
        SOCKET, "basic.target"))
    manager.wait_output("^pid")
    control = "XDG_RUNTIME_DIR=/run/user/0 systemctl --user"
    names = [f"{name}.service" for name in SCOPES]
    try:
        world.until(
            lambda: manager.ended or not lab.run(
                host, f"{control} start {' '.join(names)} "
                "xl-migrate-wait.service", check=False).returncode,
            lambda: f"the units do not start:\n{manager.output}")
        yield Process(lab, host, "echo ready; read -r line; "
                      f"{control} exit", stdin=subprocess.PIPE), manager
    finally:
        pid = manager.output.split()[1]
        lab.run(host, f"kill {pid}", check=False)
        manager.finish()
        lab.run(host, f"rm -r {PLACE}")


def stopped(world, host):
    return world.lab.run(
        host, "cd /run && ls *.stopped", check=False).stdout.split()


@on_request(TAKES_LONG)
def test_shutdown_waits_for_a_guest_on_its_way(world):
    """At the source no unit that ends guests, and no session that moves one, stops
    before the guest has arrived."""
    lab = world.lab
    guest = world.pattern(memory=64).start("a")
    lab.run("a", f"rm -f {LOG}")
    with shutdown_unit(world, "a") as (shutdown, manager):
        migration = world.migrate(guest, "--background-rate 4K")
        migration.wait_output(POSTCOPY)
        guest.wait_beat(host="b", since=migration.started)
        shutdown.process.stdin.write("now\n")
        shutdown.process.stdin.close()
        # Twice: the next comes ten seconds later.
        world.until(
            lambda: int(lab.run("a", f"grep -c 'is kept here' {LOG}; true",
                                check=False).stdout or 0) >= 2,
            lambda: f"the unit does not wait:\n{manager.output}\n"
                    + lab.run("a", f"cat {LOG}", check=False).stdout)
        assert not stopped(world, "a"), stopped(world, "a")
        lab.run("a", f"xl migrate-set-rate {guest.name} unlimited")
        migration.expect_success()
        world.until(lambda: len(stopped(world, "a")) == len(SCOPES),
                    lambda: f"only {stopped(world, 'a')} have stopped")
        shutdown.finish()
    assert_moved(world, guest, "a", "b")


def terminals(world):
    """The unit of each process of xl."""
    return world.lab.run("b", "ps -C xl -o tty=", check=False).stdout.split()


@on_request(TAKES_LONG)
def test_receiver_that_systemd_starts(world):
    guests = [world.pattern(name=f"pattern{id}", id=id, memory=32,
                            rate=100).start("a") for id in (1, 2)]
    with units(world):
        for guest in guests:        # each connection is a migration
            migration = ToUnit(guest)
            world.migrations.append(migration)
            migration.expect_success()
            guest.assert_runs()
            guest.assert_ran_once("a", "b")
        # A daemon that waits for a guest's end outlives the service, without a
        # terminal.
        world.until(lambda: terminals(world) == ["?"] * len(guests),
                    lambda: f"xl has the terminals {terminals(world)}; it said\n"
                            + world.lab.run("b", f"cat {LOG}").stdout)
    # The service manager ends as well, and the guests run on.
    for guest in guests:
        world.move(guest)
        guest.assert_ran_once("a", "b", "a")
    world.lab.run("a", ["xl", "destroy", guests[1].name])
    assert_moved(world, guests[0], "a", "b", "a")
