# SPDX-License-Identifier: LGPL-2.1-or-later
"""Four guests move to and fro with faults at moments of chance (`make soak`: for two
hours)."""

import os
import random

from census import Census
from soak import Rider, Soak
from world import TAKES_LONG, on_request

SECONDS = 300


def guests_of_a_soak(world):
    """Three of our own, and a Linux that can give memory back."""
    guests = [world.pattern(name=f"guest{number}", id=number, memory=16,
                            rate=200, check=500, heartbeat=100)
              for number in (1, 2, 3)]
    guests.append(world.linux(memory=160, vcpus=1, tree=8))
    for guest in guests:
        guest.less = 128 if guest.name == "linux" else None
    return guests


@on_request(TAKES_LONG)
def test_a_soak(world):
    seconds = int(os.environ.get("SOAK_SECONDS", SECONDS))
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 32)))
    guests = guests_of_a_soak(world)
    for number, guest in enumerate(guests):
        for host in world.lab.hosts:
            guest.write_config(host)
        guest.start(world.lab.hosts[number % 2])
    # What a host has only from its first migrations on counts as there from the start.
    for guest in guests:
        for _ in range(2):
            world.move(guest)
            guest.wait_beat()
    bury(world)
    before = [Census(world, host) for host in world.lab.hosts]
    for number, guest in enumerate(guests):
        guest.start(world.lab.hosts[number % 2])
    soak = Soak(world, [Rider(guest) for guest in guests], seconds, seed)
    world.note(f"SOAK_SEED={seed}")
    soak.say(f"SOAK_SEED={seed}")
    soak.run()
    soak.say(f"{seconds} s are over: {dict(soak.counts)}\n")
    for guest in guests:
        guest.assert_runs()
    bury(world)
    for host, then in zip(world.lab.hosts, before):
        Census(world, host).assert_no_more_than(then)


def bury(world):
    for host in world.lab.hosts:
        for name in world.domains(host):
            world.lab.run(host, ["xl", "destroy", name])
        world.until(lambda: not world.domains(host),
                    lambda: f"host {host} keeps {world.domains(host)}")
        world.until(lambda: not world.leftovers(host),
                    lambda: f"host {host} keeps {world.leftovers(host)}")
