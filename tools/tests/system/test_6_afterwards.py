# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changes while a guest is moved, and what is left after a failure."""

import re

from guests import SIGN_OF_LIFE_LIMIT
from moving import POSTCOPY, PRECOPY
from test_1_moves import play_linux
from test_2_options import STOCK, monitors
from test_3_errors_before_the_go import (ENDLESS_PRECOPY, RUNS_ON,
                                         assert_unharmed, small)
from test_4_recovery import PAUSED, SLOW
from test_8_control import control
from world import TAKES_LONG, on_request

DUMPS = "/var/lib/xen/dump"
DISK = "phy:/dev/vdb,xvdb,w"


def in_precopy(world, guest):
    """A migration that makes rounds until a command ends them."""
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    return migration


def attach_disk(world, guest):
    """The guest does not use the device, but its configuration has it."""
    world.lab.run(guest.host, [STOCK, "block-attach", guest.name, DISK])


def detach_disk(world, guest):
    world.lab.run(guest.host, [STOCK, "block-detach", guest.name, "xvdb"],
                  check=False)


def fail_in_the_stop(world, guest):
    """A disk that the destination was not told of would not be there. While it
    is attached no page goes: libxl gives the script 40 seconds of one busy
    processor."""
    migration = in_precopy(world, guest)
    control(world, guest.host, f"set-rate {guest.name} 0")
    attach_disk(world, guest)
    control(world, guest.host, f"set-rate {guest.name} 100M")
    control(world, guest.host, f"start-postcopy {guest.name}", check=False)
    migration.expect_failure(r"has changed .*\(disks: ", RUNS_ON)
    assert POSTCOPY not in migration.output
    return migration


def assert_watched(world, guest):
    """The guest is started again when it reboots, once and not twice."""
    guest.wait_beat()
    number = world.domid(guest.host, guest.name)
    since = world.lab.console.now()
    world.lab.run(guest.host, ["xl", "reboot", guest.name])
    guest.wait(r"^\(d\d+\) filled", since, 120)
    guest.wait_beat()
    assert world.domid(guest.host, guest.name) > number
    world.until(lambda: list(world.domains(guest.host)) == [guest.name],
                lambda: f"there are {world.domains(guest.host)}")


@on_request(TAKES_LONG)
def test_a_disk_comes_meanwhile_and_the_guest_reboots_later(world):
    """The stock daemon, which takes the suspending for the end, has a
    successor."""
    guest = small(world)
    fail_in_the_stop(world, guest)
    guest.wait(r"^\(d\d+\) resume cancelled", guest.created,
               SIGN_OF_LIFE_LIMIT)
    world.until(lambda: any("domain-monitor" in line
                            for line in monitors(world, "a")),
                lambda: f"nobody watches: {monitors(world, 'a')}")
    world.until(lambda: len(monitors(world, "a")) == 1,
                lambda: f"more than one watches: {monitors(world, 'a')}")
    detach_disk(world, guest)
    assert_watched(world, guest)


@on_request(TAKES_LONG)
def test_our_daemon_stays(world):
    """Over a migration that fails, and one that succeeds."""
    guest = small(world)
    guest.write_config("b")
    world.move(guest)
    fail_in_the_stop(world, guest)
    detach_disk(world, guest)
    assert_watched(world, guest)
    # A successor of the daemon checks whether it is needed, and ends.
    world.until(lambda: len(monitors(world, "b")) == 1,
                lambda: f"not one watches: {monitors(world, 'b')}")
    guest.created = world.lab.console.now()
    world.move(guest)
    world.until(lambda: not monitors(world, "b"),
                lambda: f"a daemon watches over nothing: {monitors(world, 'b')}")


@on_request(TAKES_LONG)
def test_who_has_no_daemon_gets_none(world):
    """Another program may watch over it: libvirt, or a daemon of one's own."""
    guest = small(world)
    world.lab.run("a", "kill $(pgrep -x xl)")
    world.lab.run("a", "rm -f /var/log/xen/xl-*")
    fail_in_the_stop(world, guest)
    assert not monitors(world, "a"), monitors(world, "a")


def start_namesake(world, name, options):
    """Start another guest of that name at the destination, by the stock xl, because this
    package's xl would refuse."""
    other = world.pattern(name=name, memory=16)
    other.write_config("b")
    world.lab.run("b", f"{STOCK} create {options} {other.config_file}")
    return world.domid("b", name)


@on_request(TAKES_LONG)
def test_the_name_is_taken_meanwhile(world):
    guest = small(world)
    migration = in_precopy(world, guest)
    number = start_namesake(world, guest.name, "-p")
    control(world, "a", f"start-postcopy {guest.name}", check=False)
    migration.expect_failure(
        f"the destination refuses: there is another domain called "
        f"{guest.name} on this host, domain {number}", RUNS_ON)
    world.lab.run("b", [STOCK, "destroy", guest.name])
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_an_incoming_domain_that_runs_is_no_leftover(world):
    guest = small(world)
    incoming = f"{guest.name}--incoming"
    start_namesake(world, incoming, "-p")
    migration = world.migrate(guest)
    migration.expect_failure(RUNS_ON)
    migration.receiver.wait_output("leftover .*never ran: xl destroy")
    world.lab.run("b", [STOCK, "unpause", incoming])
    migration = world.migrate(guest)
    migration.expect_failure(RUNS_ON)
    migration.receiver.wait_output("runs here; do not destroy it")
    assert "leftover" not in migration.all_output()
    world.lab.run("b", [STOCK, "destroy", incoming])


@on_request(TAKES_LONG)
def test_the_destination_dies_before_the_go(world):
    """The link carries nothing any more, not even its end."""
    guest = small(world)
    migration = in_precopy(world, guest)
    world.make_dirty()
    world.lab.kill("b")
    migration.expect_failure("is the link cut", RUNS_ON)
    guest.assert_runs()
    guest.assert_ran_once("a")


# ---- it ends while its source is lost ----

def arrive(world, guest):
    """The guest runs at b, and lacks nearly all of its memory."""
    migration = world.migrate(guest, SLOW)
    migration.wait_output(POSTCOPY)
    guest.wait_beat(host="b", since=migration.started)
    return migration


def crash(world, guest):
    """The guest's vCPU must run for that, so the source must be reachable."""
    since = world.lab.console.now()
    world.lab.run("b", [STOCK, "trigger", guest.name, "nmi"])
    guest.wait(r"FATAL exception", since, SIGN_OF_LIFE_LIMIT, host="b")


def lose_source(world, migration):
    migration.kill_transport()
    assert migration.finish() == PAUSED


def assert_ends(world, guest, migration, limit):
    """Nothing is left of it here or there, and its source learns of that."""
    world.until(lambda: not world.domains("b"),
                lambda: f"b keeps {world.domains('b')}", limit=limit)
    assert list(world.domains("a")) == [f"{guest.name}--migratedaway"]
    world.recover(migration).expect_success()
    assert not world.domains("a")


@on_request(TAKES_LONG)
def test_a_crash_is_not_dumped_without_its_memory(world):
    """The dump waits for the source, but not for ever."""
    guest = small(world, more_config='on_crash = "coredump-destroy"\n')
    migration = arrive(world, guest)
    crash(world, guest)
    lose_source(world, migration)
    assert_ends(world, guest, migration, limit=300)
    log = world.lab.run("b", f"cat /var/log/xen/xl-{guest.name}*.log").stdout
    assert "no core dump: memory of domain" in log, log


def dumped(world):
    """MiB."""
    return int(world.lab.run("b", f"du -m {DUMPS} | tail -1").stdout.split()[0])


@on_request(TAKES_LONG)
def test_a_crash_is_dumped_once_its_memory_has_come(world):
    """Half of it is in the file soon. Then libxc tries all pfns up to the special
    pages just below 4 GiB, a million, each by itself."""
    guest = small(world, more_config='on_crash = "coredump-destroy"\n')
    world.make_dirty()
    migration = arrive(world, guest)
    world.lab.run("b", f"rm -rf {DUMPS}; mkdir -p {DUMPS}")
    crash(world, guest)
    lose_source(world, migration)
    assert dumped(world) == 0, "it was dumped while it lacked memory"
    world.recover(migration).expect_success()
    world.until(lambda: dumped(world) >= guest.memory / 2,
                lambda: f"{dumped(world)} MiB in the dump", limit=120)


@on_request(TAKES_LONG)
def test_a_watchdog_fires_while_the_source_is_lost(world):
    """A vCPU that waits for a page does not run, so the watchdog fires: the guest's
    configuration says what happens then."""
    guest = small(world, watchdog=20,
                  more_config='on_watchdog = "destroy"\n')
    migration = arrive(world, guest)
    guest.wait(r"^\(d\d+\) watchdog set", migration.started,
               SIGN_OF_LIFE_LIMIT, host="b")
    lose_source(world, migration)
    assert_ends(world, guest, migration, limit=120)
    log = world.lab.run("b", f"cat /var/log/xen/xl-{guest.name}*.log").stdout
    assert "(watchdog): destroy" in log, log


# ---- clocks ----

def restart_with_another_clock(world, host, other, **options):
    """This host has been up for a shorter time, and has another date."""
    world.make_dirty()
    world.lab.kill(host)
    world.lab.restart(host, **options)
    world.lab.run(other, f"tar -C / -c usr/local | ssh xen-{host} "
                         f"'tar -C / -x && ldconfig'")
    world.lab.run(host, "date -s '1 day ago' && ldconfig")


def tsc_mhz(world, host):
    """The frequency that the host's hypervisor measured."""
    said = world.lab.run(host, "xl dmesg | grep 'Detected .* MHz'").stdout
    return float(re.search(r"Detected ([0-9.]+) MHz", said)[1])


def watch_clocks(world, guest):
    """No clock of the guest goes back, and no sleep ends early or never."""
    guest.start("a")
    clocks = r"^\(d\d+\) clocks looked at"
    guest.wait(clocks, guest.created, SIGN_OF_LIFE_LIMIT)
    for host in ("b", "a"):
        world.move(guest)
        since = world.lab.console.now()
        guest.wait(clocks, since, SIGN_OF_LIFE_LIMIT, host=host)
        guest.wait_beat(host=host)
        guest.assert_sound()


def clocks_there_and_back(world, **options):
    play_linux(world, world.linux(more_arguments="clocks=20", **options),
               watch_clocks)


@on_request(TAKES_LONG)
def test_hosts_with_other_uptimes_and_dates(world):
    restart_with_another_clock(world, "b", "a")
    clocks_there_and_back(world)


@on_request(TAKES_LONG)
def test_an_emulated_tsc_on_hosts_with_other_uptimes(world):
    restart_with_another_clock(world, "b", "a")
    clocks_there_and_back(world, vcpus=1, tsc_mode="always_emulate")


@on_request(TAKES_LONG)
def test_hosts_with_tscs_of_other_frequencies(world):
    """The hypervisor emulates the first host's on the second."""
    restart_with_another_clock(world, "b", "a", other_tsc=True)
    a, b = (tsc_mhz(world, host) for host in ("a", "b"))
    assert abs(a - b) > a / 10, f"both count some {a} MHz"
    world.note(f"{a:.0f} and {b:.0f} MHz")
    clocks_there_and_back(world, vcpus=1, tsc_mode="default")
