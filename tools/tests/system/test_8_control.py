# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that show and steer a migration."""

import json
import re
import time

from moving import POSTCOPY, PRECOPY, Process
from test_1_moves import assert_moved
from test_3_errors_before_the_go import ENDLESS_PRECOPY, assert_unharmed
from world import TAKES_LONG, on_request

BASE = "/libxl/{}/live-migrate"


def control(world, host, command, check=True):
    """xl migrate-COMMAND in a host: what it says."""
    done = world.lab.run(host, f"xl migrate-{command}", check=False,
                         timeout=120)
    assert not check or done.returncode == 0, f"{command}: {done}"
    return done


def status(world, host, domain=""):
    return json.loads(control(world, host, f"status --json {domain}").stdout)


def store_of(world, host, domid):
    """The nodes of a migration in xenstore; "": none."""
    return world.lab.run(host, f"xenstore-ls {BASE.format(domid)}",
                         check=False).stdout


def busy(world):
    """A guest that leaves pages to be sent after each round, on a busy machine too."""
    return world.pattern(memory=64, rate="max", check="max").start("a")


def endless(world, guest, options=""):
    migration = world.migrate(guest, f"{ENDLESS_PRECOPY} {options}")
    migration.wait_output(PRECOPY)
    return migration


@on_request(TAKES_LONG)
def test_switch_in_the_middle_of_an_endless_precopy(world):
    guest = busy(world)
    number = world.domid("a", guest.name)
    migration = endless(world, guest)
    seen, = status(world, "a")
    assert (seen["name"], seen["domid"], seen["role"], seen["state"],
            seen["phase"]) == (guest.name, number, "source", "running",
                               "precopy"), seen
    assert seen["precopy-pages"] > 0 and seen["iterations"] > 0, seen
    said = control(world, "a", f"start-postcopy {guest.name}")
    assert not said.stdout and "postcopy" in said.stderr, said
    summary = migration.expect_success()
    assert summary["left for postcopy"] > 0, summary
    assert_moved(world, guest, "a", "b")
    world.until(lambda: not status(world, "b"),
                lambda: f"b still shows {status(world, 'b')}")
    assert not store_of(world, "b", world.domid("b", guest.name))


def test_the_status_while_pages_follow(world):
    """At both ends, and under the guest's name though its domain at the source
    has another one by then; it is too late to abort."""
    guest = world.pattern(memory=64, rate=100).start("a")
    migration = world.migrate(guest, "--background-rate 256K")
    migration.wait_output(POSTCOPY)
    at_source, = status(world, "a", guest.name)
    assert at_source["phase"] == "postcopy", at_source
    assert at_source["background-rate"] == 256 * 1024, at_source
    assert at_source["outstanding-pages"] > 0, at_source
    world.until(lambda: [each["phase"] for each in status(world, "b")] ==
                ["postcopy"], lambda: f"b shows {status(world, 'b')}")
    table = control(world, "b", "status").stdout
    assert re.search(rf"^{guest.name} .* destination +postcopy ", table,
                     re.M), table
    refused = control(world, "a", f"abort {guest.name}", check=False)
    assert refused.returncode and "too late" in refused.stderr, refused
    refused = control(world, "a", f"start-postcopy {guest.name}", check=False)
    assert refused.returncode and "already" in refused.stderr, refused
    refused = control(world, "b", f"set-rate {guest.name} 5M", check=False)
    assert refused.returncode and "source" in refused.stderr, refused
    guest.wait_beat("b")
    control(world, "a", f"set-rate {guest.name} unlimited")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")


def test_abort_in_precopy(world):
    guest = busy(world)
    migration = endless(world, guest)
    control(world, "a", f"abort {guest.name}")
    migration.expect_failure("abort", "runs on here")
    seen, = status(world, "a", guest.name)
    assert seen["state"] == "failed" and "abort" in seen["reason"], seen
    refused = control(world, "a", f"abort {guest.name}", check=False)
    assert refused.returncode and "ended" in refused.stderr, refused
    assert_unharmed(world, guest, migration)


def watch(world, host, guest):
    """xl migrate-status --watch, once it has seen the migration."""
    process = Process(world.lab, host,
                      f"xl migrate-status --watch --json {guest.name}")
    process.wait_output('"state": "running"')
    return process


def last_of(process):
    return json.loads(process.output.splitlines()[-1])[0]


@on_request(TAKES_LONG)
def test_a_watch_ends_as_the_migration_does(world):
    """At either end, also where what is shown goes with the domain; and so it can
    be read afterwards."""
    guest = world.pattern(memory=64).start("a")
    migration = endless(world, guest)
    watched = watch(world, "a", guest)
    control(world, "a", f"abort {guest.name}")
    assert watched.finish() == 1, watched.output
    assert last_of(watched)["state"] == "failed", watched.output
    migration.expect_failure("abort", status=1)

    migration = endless(world, guest)
    watched = watch(world, "a", guest)
    control(world, "a", f"start-postcopy {guest.name}")
    migration.expect_success()
    assert watched.finish() == 0, watched.output
    assert last_of(watched)["state"] == "complete", watched.output
    # The hosts remember other tests' guests of that name as well.
    ended = json.loads(control(
        world, "a", f"status --completed --json {guest.name}").stdout)[-2:]
    assert [seen["state"] for seen in ended] == ["failed", "complete"], ended
    assert ended[1]["precopy-pages"] > 0 and ended[1]["ended-at"], ended
    there = control(world, "b", f"status --completed {guest.name}").stdout
    assert "destination complete" in there and "    ended " in there, there
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_held_precopy_goes_on(world):
    """Rate 0 stops the background; the guest runs on, and the migration can still be
    aborted."""
    guest = busy(world)
    migration = endless(world, guest)
    control(world, "a", f"set-rate {guest.name} 0")
    world.until(lambda: status(world, "a")[0]["rate"] == 0,
                lambda: f"pages still go: {status(world, 'a')}")
    guest.wait_beat()
    control(world, "a", f"set-rate {guest.name} 100M")
    world.until(lambda: status(world, "a")[0]["rate"] > 0,
                lambda: f"no pages go: {status(world, 'a')}")
    control(world, "a", f"start-postcopy {guest.name}")
    migration.expect_success()
    assert_moved(world, guest, "a", "b")


def test_who_cannot_be_asked(world):
    guest = world.pattern(memory=32, rate=100).start("a")
    for command in ("abort {}", "start-postcopy {}", "set-rate {} 1M"):
        refused = control(world, "a", command.format("nobody"), check=False)
        assert refused.returncode and "no domain" in refused.stderr, refused
        refused = control(world, "a", command.format(guest.name), check=False)
        assert refused.returncode and "under way" in refused.stderr, refused
    assert status(world, "a") == []
    for wrong in ("set-rate", f"set-rate {guest.name} fast", "abort",
                  "status a b", "status --what"):
        refused = control(world, "a", wrong, check=False)
        assert refused.returncode and refused.stderr, refused


@on_request(TAKES_LONG)
def test_a_killed_migration_is_known_as_such(world):
    guest = busy(world)
    migration = endless(world, guest)
    world.lab.run("a", "kill -9 $(pgrep -o -f '^xl migrate --postcopy')")
    migration.finish()
    seen, = status(world, "a")
    assert seen["state"] == "killed", seen
    refused = control(world, "a", f"abort {guest.name}", check=False)
    assert refused.returncode and "killed" in refused.stderr, refused
    world.until(lambda: not world.domains("b"),
                lambda: f"b has {world.domains('b')}")
    world.make_dirty()      # the log of writes is still on


@on_request(TAKES_LONG)
def test_auto_stays_with_precopy_for_an_idle_guest(world):
    guest = world.pattern(rate="none", check=4000).start("a")
    migration = world.migrate(guest, "", when="auto")
    summary = migration.expect_success()
    assert 0 < summary["precopy rounds"] < 6, summary
    assert "left for postcopy" not in summary, summary
    assert_moved(world, guest, "a", "b")


def test_auto_switches_for_a_busy_guest(world):
    guest = world.pattern(memory=128, rate="max", check="max").start("a")
    migration = world.migrate(guest, "", when="auto")
    summary = migration.expect_success()
    assert summary["precopy rounds"] < 3, summary
    assert summary["sent while it ran here"] > 0, summary
    assert summary["left for postcopy"] > 0, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_after_a_time(world):
    guest = busy(world)
    started = time.monotonic()
    summary = world.move(guest, "--precopy-dirty-threshold 0", when="after:8")
    assert time.monotonic() - started > 8
    assert summary["left for postcopy"] > 0, summary
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_json_for_machines(world):
    """stdout has objects and nothing else; the last says how it ended."""
    guest = world.pattern(memory=32, rate=100).start("a")
    migration = world.migrate(guest, "--json --precopy-iterations 1",
                              apart=True)
    migration.expect_success()
    objects = [json.loads(line) for line in migration.stdout.splitlines()]
    assert [each["state"] for each in objects[-2:]] == \
        ["running", "complete"], objects[-2:]
    phases = [each["phase"] for each in objects]
    assert phases == sorted(phases, key=[
        "start", "preparing", "precopy", "evicting", "suspended", "ready",
        "go", "postcopy", "complete"].index), phases
    assert objects[-1]["pushed-pages"] > 0, objects[-1]
    assert not migration.output, migration.output
    assert_moved(world, guest, "a", "b")
