# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host is emptied: xl migrate-all, and xl migrate-recover --all.  Each guest is
whole in the end, and on exactly one host."""

import json

from moving import Process, other
from test_8_control import control, status
from world import TAKES_LONG, on_request

REFUSED = 1
PAUSED = 3
# The push hardly moves: nearly all pages that come are requested.
SLOW = "--background-rate 16K"
# Each host has one processor. Eight guests together leave it time to sleep, and weigh
# half as much as dom0, which has to move them.
ONE_OF_MANY = {"rate": 400, "check": 1600, "heartbeat": 50,
               "more_config": "cpu_weight = 16\n"}
# Guests that need a minute for all of their memory.
CALM = {"rate": 20, "check": 60}


class Evacuation(Process):
    """`xl migrate-all` or another such command on a host, started."""

    def __init__(self, world, source, command):
        self.source = source
        super().__init__(world.lab, source, command)
        world.migrations.append(self)

    def all_output(self):
        return self.output

    def expect(self, ended, *patterns):
        """The command exits with this status, and says each of these."""
        assert self.finish() == ended, \
            f"`{self.command}` should end with {ended}:\n{self.output}"
        for pattern in patterns:
            assert pattern in self.output, \
                f"`{self.command}` does not say '{pattern}':\n{self.output}"


def evacuate(world, source, options=""):
    return Evacuation(world, source,
                      f"xl migrate-all {options} xen-{other(source)}")


def recover_all(world, source):
    return Evacuation(world, source,
                      f"xl migrate-recover --all xen-{other(source)}")


# A pass of such a guest beside others.
PASS_LIMIT = 900


def start_guests(world, count, host="a", first=1, **options):
    guests = [world.pattern(name=f"guest{number}", id=number, memory=16,
                            **{**ONE_OF_MANY, **options})
              for number in range(first, first + count)]
    for guest in guests:
        guest.pass_limit = PASS_LIMIT
        guest.start(host)
    return guests


def assert_at(world, guests, host):
    """These guests are all that the host has."""
    world.until(lambda: sorted(world.domains(host)) ==
                sorted(guest.name for guest in guests),
                lambda: f"{host} has {world.domains(host)}")


def assert_whole(guests, *route):
    """Each guest is where its route ends, was checked in full since, and never ran at
    two places."""
    for guest in guests:
        guest.host = route[-1]
        guest.assert_runs()
        guest.assert_ran_once(*route)


def assert_evacuated(world, guests, *route):
    assert_at(world, guests, route[-1])
    assert_at(world, [], other(route[-1]))
    assert_whole(guests, *route)


def phases(world, host="a"):
    return {seen["name"]: seen["phase"] for seen in status(world, host)
            if seen["state"] == "running"}


def wait_postcopy(world, guests, host="a"):
    """Until each of them runs at the other host and lacks memory."""
    world.until(lambda: all(phases(world, host).get(guest.name) == "postcopy"
                            for guest in guests),
                lambda: f"{host} shows {status(world, host)}", limit=200)


def wait_states(world, guests, state, host="a"):
    def states():
        return {seen["name"]: seen["state"] for seen in status(world, host)}
    world.until(lambda: all(states().get(guest.name) == state
                            for guest in guests),
                lambda: f"{host} shows {states()}", limit=200)


def free_rates(world, guests, host="a"):
    """Lets them go on; one that has ended meanwhile says so."""
    for guest in guests:
        control(world, host, f"set-rate {guest.name} unlimited", check=False)


# ---- all goes well ----

def test_four_guests_leave_a_host(world):
    guests = start_guests(world, 4)
    evacuate(world, "a").expect(0, "4 guests: 4 gone")
    assert_evacuated(world, guests, "a", "b")
    seen = json.loads(control(world, "a", "status --completed --json").stdout)
    assert {each["name"] for each in seen[-4:]} == \
        {guest.name for guest in guests}, seen[-4:]


@on_request(TAKES_LONG)
def test_eight_guests_leave_a_host(world):
    guests = start_guests(world, 8)
    evacuate(world, "a", "--parallel 4 --postcopy=auto "
                         "--background-rate 6M").expect(0, "8 guests: 8 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_eight_guests_change_places(world):
    """Four at either host, at the same time."""
    here = start_guests(world, 4, **CALM)
    there = start_guests(world, 4, "b", 5, **CALM)
    ways = [evacuate(world, host, " ".join(f"--only {guest.name}"
                                           for guest in guests))
            for host, guests in (("a", here), ("b", there))]
    for way in ways:
        way.expect(0, "4 guests: 4 gone")
    assert_at(world, here, "b")
    assert_at(world, there, "a")
    assert_whole(here, "a", "b")
    assert_whole(there, "b", "a")


@on_request(TAKES_LONG)
def test_those_that_are_named(world):
    guests = start_guests(world, 3)
    evacuate(world, "a", "--except guest2 --json").expect(0, '"end": true')
    assert_at(world, guests[1:2], "a")
    assert_at(world, guests[::2], "b")
    assert_whole(guests[::2], "a", "b")
    evacuate(world, "a", "--except nobody").expect(1, "nothing was done")
    evacuate(world, "a", "--only guest1 --only guest2").expect(
        0, "'guest1' has gone from here already", "1 guests: 1 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_a_look_moves_nothing(world):
    guests = start_guests(world, 2)
    evacuate(world, "a", "--check").expect(0, "2 guests: 2 could go")
    Evacuation(world, "a", "xl -N migrate-all xen-b").expect(0, "2 could go")
    assert_evacuated(world, guests, "a")


@on_request(TAKES_LONG)
def test_one_link_is_shared(world):
    """The sum of the shares never exceeds the limit, and shares grow when some guests
    have gone."""
    guests = start_guests(world, 3, **CALM)
    way = evacuate(world, "a", "--parallel 3 --background-rate 384K")
    wait_postcopy(world, guests)
    rates = [seen["background-rate"] for seen in status(world, "a")]
    assert sum(rates) <= 384 * 1024 and min(rates) == 128 * 1024, rates
    control(world, "a", "set-rate guest1 unlimited")
    world.until(lambda: 192 * 1024 in [seen["background-rate"] for seen in
                                       status(world, "a")],
                lambda: f"a shows {status(world, 'a')}", limit=200)
    free_rates(world, guests[1:])
    way.expect(0, "3 guests: 3 gone")
    assert_evacuated(world, guests, "a", "b")


# ---- some cannot go ----

@on_request(TAKES_LONG)
def test_one_that_is_refused_holds_nobody_up(world):
    guests = start_guests(world, 4)
    world.lab.run("a", "xl pause guest2")
    evacuate(world, "a").expect(REFUSED, "4 guests: 3 gone, 1 staying here",
                                "guest2 is paused")
    world.lab.run("a", "xl unpause guest2")
    moved = [guest for guest in guests if guest is not guests[1]]
    assert_at(world, guests[1:2], "a")
    assert_at(world, moved, "b")
    assert_whole(moved, "a", "b")
    assert_whole(guests[1:2], "a")
    # The same command again: guests that have gone are ignored.
    evacuate(world, "a").expect(0, "1 guests: 1 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_a_guest_for_which_there_is_no_room(world):
    guests = start_guests(world, 2)
    room = world.free_memory("b")
    blocker = world.pattern(name="blocker", id=9, memory=room - 40).start("b", "-p")
    evacuate(world, "a").expect(REFUSED, "1 gone, 1 staying here",
                                "no host has room for it")
    world.lab.run("b", f"xl destroy {blocker.name}")
    evacuate(world, "a").expect(0, "1 guests: 1 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_a_host_that_cannot_be_reached(world):
    guests = start_guests(world, 2)
    Evacuation(world, "a", "xl migrate-all nowhere.invalid").expect(
        REFUSED, "cannot be reached", "2 staying here")
    Evacuation(world, "a", "xl migrate-all nowhere.invalid xen-b").expect(
        0, "2 guests: 2 gone")
    assert_evacuated(world, guests, "a", "b")


# ---- what is lost in between ----

def start_slowly(world, count=4):
    """All run at b, and lack nearly all of their memory."""
    guests = start_guests(world, count, **CALM)
    way = evacuate(world, "a", f"{SLOW} --parallel {count}")
    wait_postcopy(world, guests)
    for guest in guests:
        guest.wait_beat(host="b", since=way.started)
    return guests, way


def kill_transports(world):
    world.lab.run("a", "pkill -9 -f '^ssh .*migrate-receive'")


@on_request(TAKES_LONG)
def test_all_connections_are_cut(world):
    guests, way = start_slowly(world)
    kill_transports(world)
    way.expect(PAUSED, "4 guests: 4 paused", "xl migrate-recover",
               "--all xen-b")
    wait_states(world, guests, "paused", "b")
    recover_all(world, "a").expect(0, "4 guests: 4 gone")
    assert_evacuated(world, guests, "a", "b")
    recover_all(world, "a").expect(0, "no guest is paused on its way to")


@on_request(TAKES_LONG)
def test_the_link_is_cut(world):
    """The link is cut without an error: ssh notices, and a recovery fails until the link
    is restored."""
    guests, way = start_slowly(world, 3)
    world.lab.link(False)
    try:
        way.expect(PAUSED, "3 guests: 3 paused")
    finally:
        world.lab.link(True)
    wait_states(world, guests, "paused", "b")
    recover_all(world, "a").expect(0, "3 guests: 3 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_one_receiver_is_killed(world):
    """That guest is paused; the others come."""
    guests, way = start_slowly(world)
    victim, = (seen for seen in status(world, "b") if seen["name"] == "guest3")
    world.lab.run("b", f"kill -9 {victim['pid']}")
    wait_states(world, guests[2:3], "killed", "b")
    free_rates(world, guests)
    way.expect(PAUSED, "4 guests: 3 gone, 1 paused", "--all xen-b")
    recover_all(world, "a").expect(0, "1 guests: 1 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_paused_ones_are_recovered_first(world):
    """The same command, which was cut, recovers it, and has more guests to move."""
    guests = start_guests(world, 4, **CALM)
    way = evacuate(world, "a", f"{SLOW} --parallel 2")
    world.until(lambda: list(phases(world).values()) == ["postcopy"] * 2,
                lambda: f"a shows {status(world, 'a')}", limit=200)
    world.lab.run("a", "pkill -INT -f '^xl migrate-all'")
    way.wait_output("giving up: no more guests are started")
    kill_transports(world)
    way.expect(PAUSED, "4 guests: 2 staying here, 2 paused")
    evacuate(world, "a").expect(0, "4 guests: 4 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_interrupted_and_started_again(world):
    guests = start_guests(world, 3, **CALM)
    way = evacuate(world, "a", f"{SLOW} --parallel 1")
    world.until(lambda: list(phases(world).values()) == ["postcopy"],
                lambda: f"a shows {status(world, 'a')}", limit=200)
    world.lab.run("a", "pkill -INT -f '^xl migrate-all'")
    way.wait_output("giving up: no more guests are started")
    free_rates(world, guests)
    way.expect(REFUSED, "3 guests: 1 gone, 2 staying here")
    evacuate(world, "a").expect(0, "2 guests: 2 gone")
    assert_evacuated(world, guests, "a", "b")


@on_request(TAKES_LONG)
def test_killed_and_started_again(world):
    """The children of the killed command go on, and the next command follows them."""
    guests, way = start_slowly(world, 2)
    world.lab.run("a", "pkill -9 -f '^xl migrate-all'")
    way.finish()
    again = evacuate(world, "a")
    again.wait_output("another process moves it|postcopy")
    free_rates(world, guests)
    again.expect(0, "2 guests: 2 gone")
    assert_evacuated(world, guests, "a", "b")
