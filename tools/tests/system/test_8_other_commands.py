# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every other command of xl, about a guest that is on its way: by the table that
xl itself has. And what the packaged xl can still do to such a guest."""

import re

from moving import POSTCOPY
from test_1_moves import assert_moved
from test_4_recovery import PAUSED, SLOW
from test_8_control import busy, control, endless
from world import TAKES_LONG, on_request

STOCK = "/usr/sbin/xl"
PARTS = ("moving", "shell", "incoming", "arriving")

# The arguments after the domain; for all other commands a valid one.
ARGUMENTS = {
    "save": "/tmp/image", "migrate": "xen-b", "remus": "xen-b",
    "dump-core": "/tmp/core", "trigger": "nmi", "sysrq": "h", "vcpu-set": "1",
    "mem-set": "48", "mem-max": "48", "rename": "other", "pause": "",
    "unpause": "", "suspend": "", "resume": "", "destroy": "", "shutdown": "",
    "reboot": "", "domname": "", "domid": "", "vcpu-list": "",
    "vcpu-pin": "all all all", "block-attach": "phy:/dev/vdb,xvdz,w",
    "network-attach": "bridge=xenbr0", "cd-insert": "xvdz /tmp/none",
}
# These commands end the guest, wait for a person, take minutes, or do not exist in this
# xl.
NOT_TRIED = {"destroy", "shutdown", "reboot", "trigger", "console",
             "vncviewer", "resume", "qemu-monitor-command", "config-update",
             "sysrq", "dump-core"}


def table(world):
    """For each part of a guest its commands, with the verdicts."""
    rows = [line.split() for line in
            control(world, "a", "status --commands").stdout.splitlines()]
    assert tuple(rows[0][1:]) == PARTS, rows[0]
    return {part: {row[0]: row[column] for row in rows[1:]}
            for column, part in enumerate(PARTS, 1)}


def run_all(world, host, domain, commands, xl="xl"):
    """Each command on the domain: its exit status, and what it says."""
    script = "".join(
        f"echo '==== {command}'; {xl} {command} {domain} "
        f"{ARGUMENTS.get(command, '0 0')} < /dev/null 2>&1; echo \"== $?\"\n"
        for command in commands)
    said = world.lab.run(host, "sh", input=script, timeout=400).stdout
    done = {name: (int(status), text) for name, text, status in re.findall(
        r"^==== (\S+)\n(.*?)^== (\d+)$", said, re.M | re.S)}
    assert sorted(done) == sorted(commands), said
    return done


def states(world, host):
    """Of each domain, without what changes as it runs."""
    return {name: set(state) & set("pscd")
            for name, state in world.domains(host).items()}


def assert_refused(world, host, part, domain):
    """Runs all commands that the table refuses, and checks that nothing changed."""
    verdicts = table(world)[part]
    refused = [name for name, verdict in verdicts.items() if verdict != "yes"]
    assert len(refused) > 10, verdicts
    before = states(world, host)
    for name, (status, text) in run_all(world, host, domain, refused).items():
        assert status and f"xl {name} is refused" in text, (name, status, text)
        forced = f"xl {name} --force" in text
        assert forced == (verdicts[name] == "--force"), (name, text)
    assert states(world, host) == before, states(world, host)


def assert_allowed(world, host, part, domain):
    verdicts = table(world)[part]
    allowed = [name for name, verdict in verdicts.items()
               if verdict == "yes" and not name.endswith("-detach") and
               name not in NOT_TRIED]
    for name, (status, text) in run_all(world, host, domain, allowed).items():
        # xl domname needs a number.
        assert "refused" not in text and (not status or name == "domname"), \
            (name, status, text)


def assert_stock_fails(world, host, domain, commands):
    """The packaged xl, as xendomains runs it."""
    before = world.domains(host)
    done = run_all(world, host, domain, commands, STOCK)
    for name, (status, text) in done.items():
        # The packaged xl says nothing of an unpause that fails.
        assert status or name == "unpause", (name, text)
    assert world.domains(host).keys() == before.keys(), (before, done)
    return done


@on_request(TAKES_LONG)
def test_commands_before_the_go(world):
    guest = busy(world)
    migration = endless(world, guest)
    control(world, "a", f"set-rate {guest.name} 4K")
    incoming = f"{guest.name}--incoming"
    assert_refused(world, "b", "incoming", incoming)
    assert_stock_fails(world, "b", incoming,
                       ["save", "unpause", "destroy", "shutdown"])
    assert world.is_paused("b", incoming), world.domains("b")
    assert_refused(world, "a", "moving", guest.name)
    assert_allowed(world, "a", "moving", guest.name)
    # The stock destroy that was refused has paused it once more; it runs.
    control(world, "a", f"start-postcopy {guest.name}")
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    control(world, "a", f"set-rate {guest.name} unlimited")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_commands_after_the_go(world):
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    away = f"{guest.name}--migratedaway"
    assert_refused(world, "a", "shell", away)
    assert_stock_fails(world, "a", away,
                       ["save", "destroy", "shutdown", "unpause"])
    assert "s" in world.domains("a")[away], world.domains("a")
    again = world.lab.run("a", ["xl", "create", guest.config_file], check=False)
    assert again.returncode and "would run twice" in again.stderr, again
    assert_refused(world, "b", "arriving", guest.name)
    assert_stock_fails(world, "b", guest.name, ["save", "migrate"])
    assert_allowed(world, "b", "arriving", guest.name)
    guest.wait_beat(host="b")
    control(world, "a", f"set-rate {guest.name} unlimited")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")
    # The guest is whole: all that was taken is there again.
    world.move(guest)
    assert_moved(world, guest, "a", "b", "a")


@on_request(TAKES_LONG)
def test_all_domains_but_the_parts_of_a_guest(world):
    """xl shutdown -a, with a shell among them; then the guest itself, while it
    arrives."""
    guest = world.pattern(memory=64).start("a")
    other = world.pattern(name="other", id=2, memory=32).start("a")
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    done = world.lab.run("a", "xl shutdown -aw", check=False, timeout=300)
    assert done.returncode and "--migratedaway" in done.stderr, done
    away = f"{guest.name}--migratedaway"
    world.until(lambda: list(world.domains("a")) == [away],
                lambda: f"{other.name} is still there: {world.domains('a')}")
    control(world, "a", f"set-rate {guest.name} unlimited")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_what_force_does(world):
    """The connection is cut: the shell says how to recover, exactly; destroyed by
    force, both are gone."""
    guest = world.pattern(memory=64).start("a")
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    migration.kill_transport()
    assert migration.finish() == PAUSED
    away = f"{guest.name}--migratedaway"
    said = world.lab.run("a", f"xl destroy {away}", check=False)
    assert said.returncode, said
    assert re.search(rf"^xl: {{5}}xl migrate-recover (.* )?{guest.name} '",
                     said.stderr, re.M), said
    waited = world.lab.run("a", "xl migrate-wait --limit 1", check=False)
    assert waited.returncode == PAUSED, waited
    assert "goes down now" in waited.stderr, waited
    said = world.lab.run("a", f"xl destroy --force {away}")
    assert "nowhere else" in said.stderr, said
    world.until(lambda: not world.domains("a"),
                lambda: f"a has {world.domains('a')}")
    said = world.lab.run("b", f"xl destroy --force {guest.name}")
    world.until(lambda: not world.domains("b"),
                lambda: f"b has {world.domains('b')}")
    migration.receiver.finish()


@on_request(TAKES_LONG)
def test_guest_that_shuts_down_while_it_arrives(world):
    guest = world.linux().start("a")
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    world.lab.run("b", f"xl shutdown -w {guest.name}", timeout=300)
    assert migration.finish() == 0, migration.all_output()
    assert "has ended at the destination" in migration.output
    for host in ("a", "b"):
        world.until(lambda: not world.domains(host),
                    lambda: f"{host} has {world.domains(host)}")
