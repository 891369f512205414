# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests under a load that never pauses, moved in each way: what the load's client
sees.  The tasks of `bench-load`; curves.py makes the figures.
"""

from typing import Callable, NamedTuple

import curves
from database import DatabaseGuest, KvClient, PgClient
from guests import HvmPatternGuest
from measure import (AUTO, BESIDE, HYBRID, POSTCOPY, STOCK, downtime, finish,
                     let_run)
from moving import Migration, other
from parts import TOOLS, Task, send_tool
from xenlab import HOSTS

WAYS = (STOCK, POSTCOPY, HYBRID, AUTO)
SOURCE = "a"
# Seconds of a load before the migration, and from its end.
BEFORE = 10
AFTER = 20
VALUE = 992             # octets; with its header a whole size class of the allocator
# MiB of a guest's memory that the kernel and the store take beside the values; octets
# that the store takes for each octet of a value.
BESIDE_VALUES = 110
SHARE = 1.15


class Load(NamedTuple):
    label: str
    run: Callable       # run(lab, build, way, memory, limit): a run's figures


class Moved(NamedTuple):
    """A guest that was moved while a client watched it; times on the lab's clock."""

    started: float
    total: float        # s, until xl ended
    left: float         # the last heartbeat at the source
    arrived: float      # the first one at the destination
    end: float          # the watching's
    summary: dict


def move(guest, way, limit):
    """Move the guest; for a time before and after, nothing else happens."""
    lab = guest.lab
    since = lab.console.now()
    let_run(guest, since + BEFORE)
    migration = Migration(guest, way.options, "tcp", way.postcopy, when=way.when)
    summary = finish(migration, limit)
    let_run(guest, migration.ended + AFTER)
    left, arrived = downtime(guest, SOURCE, other(SOURCE), since)
    guest.assert_ran_once(SOURCE, other(SOURCE))
    guest.assert_sound()
    return Moved(migration.started, migration.ended - migration.started, left.time,
                 arrived.time, migration.ended + AFTER, dict(summary))


def figures(moved, requests, wrong):
    """requests: (when answered, on the lab's clock; how long it took)."""
    zero = moved.started
    seen = [(ended - zero, took) for ended, took in requests
            if zero - BEFORE <= ended < moved.end]
    return {"total": moved.total, "downtime": moved.arrived - moved.left,
            "errors": wrong, "summary": moved.summary,
            **curves.figures(seen, moved.total, moved.end - zero,
                             moved.arrived - zero)}


def destroy(guest):
    guest.lab.run(guest.host, ["xl", "destroy", guest.name])


# ---- a store in memory ----

def keys_of(memory):
    """How many keys fill the guest."""
    return int(((memory - BESIDE_VALUES) << 20) / (SHARE * VALUE))


def redis(**options):
    """A load with these options of kvload; hot: a share of the keys."""
    def run(lab, build, way, memory, limit):
        keys = keys_of(memory)
        given = {**options, "keys": keys, "size": VALUE}
        if "hot" in options:
            given["hot"] = int(keys * options["hot"])
        send_tool(lab, build, "kvload")
        guest = DatabaseGuest(lab, "redis", memory).start(SOURCE)
        client = KvClient(lab, lambda name: f"{TOOLS}/{name}", **given).start()
        moved = move(guest, way, limit)
        client.finish()
        destroy(guest)
        return figures(moved, client.requests, len(client.wrong))

    return run


# ---- a database on a disk ----

def postgres(lab, build, way, memory, limit):
    """All acknowledged transactions are there after the move, and again after the
    database was killed and has started from the disk."""
    guest = DatabaseGuest(lab, "postgres", memory).start(SOURCE)
    client = PgClient(lab).start()
    moved = move(guest, way, limit)
    client.finish()
    guest.restart_database()
    client.check()
    destroy(guest)
    return figures(moved, client.requests, len(client.wrong))


# ---- memory, and no drivers ----

def hvm(lab, build, way, memory, limit):
    """The guest writes all of its memory in an order that jumps; its heartbeats stand for
    a client's requests."""
    guest = HvmPatternGuest(lab, memory=memory, drivers="no", heartbeat=10,
                            rate="max", check="none", order="random").start(SOURCE)
    let_run(guest, lab.console.now() + BESIDE)
    moved = move(guest, way, limit)
    times = [beat.time for beat in guest.beats(moved.started - BEFORE)]
    destroy(guest)
    return figures(moved, curves.gaps_as_requests(times), 0)


LOADS = (Load("redis, idle", redis(pause=50000, writes=10)),
         Load("redis, reading", redis(writes=0)),
         Load("redis, writing a tenth", redis(writes=100, hot=0.1)),
         Load("redis, jumping", redis(writes=50)),
         Load("postgres, pgbench", postgres),
         Load("HVM, no drivers, writing all", hvm))


def load_task(lab, build, load, way, memory, limit):
    what = {"part": "load", "load": load.label, "memory": memory, "way": way.label}

    def do():
        return [{**what, **load.run(lab, build, way, memory, limit)}]

    return Task(f"{load.label}, {memory} MiB, {way.label}", do,
                {**what, "given_up": limit})


def loads(lab, build, memory, limit):
    return [load_task(lab, build, load, way, memory, limit)
            for load in LOADS for way in WAYS]
