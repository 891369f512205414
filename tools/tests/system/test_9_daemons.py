# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library in daemons: docs/examples/migrationd on both hosts, each with
guests that come and go at the same time."""

import subprocess

from moving import Process
from test_1_moves import assert_moved
from world import TAKES_LONG, on_request

PORT = 8003
ROUNDS = 10
THREADS = 3      # a sender, a receiver, and one that waits for events


class Daemon(Process):
    """A daemon on a host, which takes orders."""

    def __init__(self, world, host, under=""):
        self.host = host
        daemon = world.tool("examples/migrationd", host)
        # The daemon's process number comes first, because ssh runs a shell.
        super().__init__(world.lab, host,
                         f"echo pid $$; exec {under} {daemon} {PORT}",
                         stdin=subprocess.PIPE)
        self.wait_output("^ready")
        self.pid = int(self.output.split()[1])

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def count(self, pattern):
        with self.more:
            return sum(pattern in line for _, line in self.lines)

    def wait_count(self, pattern, count):
        """Waits until `count` lines have had the pattern; a failure ends the test."""
        def seen():
            return sum(pattern in line for _, line in self.lines) >= count \
                or any(line.startswith(("failed", "lost"))
                       for _, line in self.lines)

        with self.more:
            self.more.wait_for(lambda: seen() or self.ended, 600)
        assert self.count(pattern) >= count, \
            f"no {count} times '{pattern}' from {self.host}:\n{self.output}"

    def held(self):
        """(its descriptors but pipes, its threads, its directory, signals it
        catches, pipes)"""
        text = self.lab.run(
            self.host, f"cd /proc/{self.pid}; "
            "readlink fd/* | grep -vc ^pipe; ls task | wc -l; readlink cwd; "
            "grep SigCgt status; readlink fd/* | grep -c ^pipe").stdout.split()
        return int(text[0]), int(text[1]), text[2], text[4], int(text[5])

    def end(self):
        self.process.stdin.close()
        assert self.finish() == 0, self.output


def both(world, under=""):
    return {host: Daemon(world, host, under) for host in ("a", "b")}


def end_all(daemons):
    for daemon in daemons.values():
        daemon.end()


def exchange(world, daemons, guests, rounds, options=""):
    """Both guests change places, both at the same time, so many times; after
    the first time the daemons have what they have for good: libxl's connection
    to xenstore has a thread."""
    before = None
    for number in range(1, rounds + 1):
        for guest in guests:
            there = "b" if guest.host == "a" else "a"
            daemons[guest.host].order(
                f"send {guest.name} xen-{there} {options}")
        for daemon in daemons.values():
            daemon.wait_count("sent ", number)
            daemon.wait_count("received ", number)
        for guest in guests:
            guest.host = "b" if guest.host == "a" else "a"
            guest.wait_beat()
        if number == 1:
            before = held_at_rest(world, daemons)
    world.until(lambda: keeps_to(before, held_at_rest(world, daemons)),
                lambda: f"held before {before}, now "
                        f"{held_at_rest(world, daemons)}")


def keeps_to(before, now):
    """A daemon holds nothing more than before, except pipes of libxl: libxl
    keeps one, of two ends, for each thread that was ever in it at one time."""
    return all(now[host][:-1] == held[:-1] and
               now[host][-1] <= held[-1] + 2 * THREADS
               for host, held in before.items())


def held_at_rest(world, daemons):
    """What the daemons hold once the threads of ended migrations are gone:
    when two looks in a row find the same."""
    def look():
        return {host: daemon.held() for host, daemon in daemons.items()}

    seen = [look()]

    def same_again():
        seen.append(look())
        return seen[-1] == seen[-2]

    world.until(same_again, lambda: f"what the daemons hold keeps changing: {seen}")
    return seen[-1]


def start_pair(world):
    return [world.pattern(name="first", id=1, memory=32).start("a"),
            world.pattern(name="second", id=2, memory=32).start("b")]


def assert_all_sound(world, guests, rounds):
    for guest in guests:
        other = "b" if guest.created_on == "a" else "a"
        route = [guest.created_on, other] * (rounds // 2 + 1)
        guest.assert_runs()
        guest.assert_ran_once(*route[:rounds + 1])
        assert list(world.domains(guest.host)) == [guest.name]


@on_request(TAKES_LONG)
def test_guests_change_places_between_two_daemons(world):
    """Each daemon has a guest that goes and one that comes, all the time."""
    guests = start_pair(world)
    for guest in guests:
        guest.created_on = guest.host
    daemons = both(world)
    exchange(world, daemons, guests, ROUNDS)
    end_all(daemons)
    assert_all_sound(world, guests, ROUNDS)


@on_request(TAKES_LONG)
def test_a_daemon_gives_up_one_of_two(world):
    """The aborted guest stays, and the other one goes on."""
    first = world.pattern(name="first", id=1, memory=32).start("a")
    second = world.pattern(name="second", id=2, memory=32).start("a")
    daemons = both(world)
    daemons["a"].order("send first xen-b 1000000")
    daemons["a"].wait_output("^sending first: precopy")
    daemons["a"].order("send second xen-b")
    daemons["a"].order("abort first")
    daemons["a"].wait_output("^failed first: it stays here")
    daemons["b"].wait_output("^failed first: nothing of it is here")
    daemons["a"].wait_output("^sent second")
    daemons["b"].wait_output("^received second")
    end_all(daemons)
    second.host = "b"
    first.assert_runs()
    first.assert_ran_once("a")
    second.assert_runs()
    second.assert_ran_once("a", "b")
    assert list(world.domains("a")) == ["first"], world.domains("a")
    assert list(world.domains("b")) == ["second"], world.domains("b")


@on_request(TAKES_LONG)
def test_a_killed_daemon_takes_no_guest_with_it(world):
    """The sender is killed in precopy; the next one finds the guest."""
    guest = world.pattern(memory=32).start("a")
    daemons = both(world)
    daemons["a"].order(f"send {guest.name} xen-b 1000000")
    daemons["a"].wait_output("^sending pattern: precopy")
    world.lab.run("b", f"kill -9 {daemons['b'].pid}")
    daemons["a"].wait_output("^failed pattern: it stays here")
    world.lab.run("b", ["xl", "destroy", f"{guest.name}--incoming"])
    daemons["b"] = Daemon(world, "b")
    daemons["a"].order(f"send {guest.name} xen-b")
    daemons["a"].wait_output("^sent pattern")
    daemons["b"].wait_output("^received pattern")
    end_all(daemons)
    guest.host = "b"
    assert_moved(world, guest, "a", "b")
