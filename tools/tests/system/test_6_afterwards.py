"""What changes while a guest is moved, and what is left after a failure."""

from guests import SIGN_OF_LIFE_LIMIT
from moving import POSTCOPY, PRECOPY
from test_2_options import STOCK, monitors
from test_3_errors_before_the_go import (ENDLESS_PRECOPY, RUNS_ON,
                                         assert_unharmed, small)
from test_8_control import control
from world import TAKES_LONG, on_request

DISK = "phy:/dev/vdb,xvdb,w"


def in_precopy(world, guest):
    """Its migration, which goes on in rounds until told otherwise."""
    migration = world.migrate(guest, ENDLESS_PRECOPY)
    migration.wait_output(PRECOPY)
    return migration


def attach_disk(world, guest):
    """The guest takes no notice of it, but it is in its configuration."""
    world.lab.run(guest.host, [STOCK, "block-attach", guest.name, DISK])


def detach_disk(world, guest):
    world.lab.run(guest.host,
                  [STOCK, "block-detach", "--force", guest.name, "xvdb"],
                  check=False)


def fail_in_the_stop(world, guest):
    """A disk that the destination was not told of would not be there."""
    migration = in_precopy(world, guest)
    attach_disk(world, guest)
    control(world, guest.host, f"start-postcopy {guest.name}", check=False)
    migration.expect_failure(r"has changed .*\(disks: ", RUNS_ON)
    assert POSTCOPY not in migration.output
    return migration


def assert_watched(world, guest):
    """It is started again when it reboots, once and not twice."""
    guest.wait_beat()
    number = world.domid(guest.host, guest.name)
    since = world.lab.console.now()
    world.lab.run(guest.host, ["xl", "reboot", guest.name])
    guest.wait(r"^\(d\d+\) filled", since, 120)
    guest.wait_beat()
    assert world.domid(guest.host, guest.name) > number
    assert list(world.domains(guest.host)) == [guest.name]


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
    guest.created = world.lab.console.now()
    world.move(guest)


@on_request(TAKES_LONG)
def test_our_daemon_stays(world):
    """Over a migration that fails, and one that succeeds."""
    guest = small(world)
    guest.write_config("b")
    world.move(guest)
    before = monitors(world, "b")
    fail_in_the_stop(world, guest)
    detach_disk(world, guest)
    assert_watched(world, guest)
    assert monitors(world, "b") == before, monitors(world, "b")
    guest.created = world.lab.console.now()
    world.move(guest)
    world.until(lambda: not monitors(world, "b"),
                lambda: f"somebody watches over nothing: {monitors(world, 'b')}")


@on_request(TAKES_LONG)
def test_who_has_no_daemon_gets_none(world):
    """Somebody else may watch over it: libvirt, or a daemon of one's own."""
    guest = small(world)
    world.lab.run("a", "kill $(pgrep -x xl)")
    world.lab.run("a", "rm -f /var/log/xen/xl-*")
    fail_in_the_stop(world, guest)
    assert not monitors(world, "a"), monitors(world, "a")


def start_namesake(world, name, options):
    """Another guest, at the destination."""
    other = world.pattern(name=name, memory=16)
    other.write_config("b")
    world.lab.run("b", f"xl create {options} {other.config_file}")
    return world.domid("b", name)


def test_the_name_is_taken_meanwhile(world):
    guest = small(world)
    migration = in_precopy(world, guest)
    number = start_namesake(world, guest.name, "-p")
    control(world, "a", f"start-postcopy {guest.name}", check=False)
    migration.expect_failure(
        f"the destination refuses: there is another domain called "
        f"{guest.name} on this host, domain {number}", RUNS_ON)
    world.lab.run("b", ["xl", "destroy", guest.name])
    assert_unharmed(world, guest, migration)


@on_request(TAKES_LONG)
def test_an_incoming_domain_that_runs_is_no_leftover(world):
    guest = small(world)
    incoming = f"{guest.name}--incoming"
    start_namesake(world, incoming, "-p")
    migration = world.migrate(guest)
    migration.expect_failure(RUNS_ON)
    migration.receiver.wait_output("leftover .*never ran: xl destroy")
    world.lab.run("b", ["xl", "unpause", incoming])
    migration = world.migrate(guest)
    migration.expect_failure(RUNS_ON)
    migration.receiver.wait_output("runs here; do not destroy it")
    assert "leftover" not in migration.all_output()
    world.lab.run("b", ["xl", "destroy", incoming])


@on_request(TAKES_LONG)
def test_the_destination_dies_before_the_go(world):
    """Nothing is heard of it any more, not even that it is cut."""
    guest = small(world)
    migration = in_precopy(world, guest)
    world.make_dirty()
    world.lab.kill("b")
    migration.expect_failure("is the link cut", RUNS_ON)
    guest.assert_runs()
    guest.assert_ran_once("a")
