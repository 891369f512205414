# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured between two real Xen hosts, part by part.

Each part is a list of tasks; a task measures one thing once and returns runs,
dicts for figures.py.  The tasks of all parts are done in turn, so that what
disturbs the machine disturbs all that is compared.
"""

import json
import re
from typing import Callable, NamedTuple

from figures import FULL_PUSH
from guests import PatternGuest
from measure import (AUTO, FAST_WRITER, HYBRID, IDLE, POSTCOPY, SLOW_WRITER,
                     STOCK, TookTooLong, Way, measure, work)
from moving import connect, serve
from xenlab import ConsoleTimeout, HOSTS

LOADS = (IDLE, SLOW_WRITER, FAST_WRITER)
WAYS = (STOCK, POSTCOPY, HYBRID, AUTO)
PINGS = 500
PROBE_PAGES = 2048
PROBE_MEMORY = 32       # MiB
TOOLS = "/root"
FAULT_CHANNEL = "--fault-channel"

# Next to nothing, and unlike --no-background to be taken back: the guest never
# asks for the few pages that it does not use.
NO_BACKGROUND = "--background-rate 1"

# What is switched on and off while faults are timed.
HOWS = {FULL_PUSH: "", "no neighbours": "--neighbours-below 0 --neighbours-above 0",
        "no background": NO_BACKGROUND}


class Task(NamedTuple):
    name: str
    do: Callable        # returns a list of runs; may raise TookTooLong
    given_up: dict      # the run in its place when it did, if it may
    once: bool = False  # not in each turn


# ---- moves ----

def move_task(lab, load, way, memory, limit):
    what = {"part": "move", "guest": load.label, "memory": memory,
            "way": way.label}
    count, unit = ((lambda step: step.pages, "pages") if load.works else
                   (lambda step: step.number, "heartbeats"))

    def do():
        figures = measure(lab, way, memory, load, limit=limit)
        return [{**what, "downtime": figures.downtime, "total": figures.total,
                 "wire": figures.wire, "errors": figures.errors,
                 "summary": dict(figures.summary), "work_is": unit,
                 "work": work(figures, count),
                 "course": [list(step) for step in figures.course]}]

    return Task(f"{load.label} of {memory} MiB, {way.label}", do,
                {**what, "given_up": limit})


def moves(lab, memory, limit):
    return [move_task(lab, load, way, memory, limit)
            for load in LOADS for way in WAYS]


def downtimes(lab, sizes, limit):
    """The stock xl's moves take long: each is made only once."""
    return [move_task(lab, FAST_WRITER, way, memory, limit)
            ._replace(once=way is STOCK)
            for memory in sizes for way in (STOCK, POSTCOPY)]


# ---- what a fault costs ----

def send_tool(lab, build, name):
    for host in HOSTS:
        lab.put(host, build / name, f"{TOOLS}/{name}")


def ping_command(lab, transport):
    """As xl's transport, but from the destination: pages go the same way."""
    answer = f"{TOOLS}/pingpong -"
    if transport == "ssh":
        return f"exec ssh xen-a {answer}"
    serve(lab, "a", answer)
    return connect("xen-a")


def floor_task(lab, build, transport):
    def do():
        send_tool(lab, build, "pingpong")
        done = lab.run("b", [f"{TOOLS}/pingpong", PINGS,
                             ping_command(lab, transport)])
        return [{"part": "floor", "transport": transport,
                 **json.loads(done.stdout)}]

    return Task(f"a page there and back over {transport}", do, {})


def send_the_rest(guest, migration, limit):
    """Once the guest has been through all of its pages."""
    try:
        guest.lab.console.wait(r"pass \d+ done", host=migration.dest,
                               since=migration.started, timeout=limit)
    except ConsoleTimeout as why:
        raise TookTooLong(str(why)) from why
    guest.lab.run(migration.source,
                  ["xl", "migrate-set-rate", guest.name, "unlimited"])


def fault_task(lab, transport, how, options, memory, limit):
    what = {"part": "fault", "transport": transport, "memory": memory,
            "how": how}

    def on_start(guest, migration):
        if options == NO_BACKGROUND:
            send_the_rest(guest, migration, limit)

    def do():
        figures = measure(lab, Way(how, options, True), memory, FAST_WRITER,
                          transport=transport, limit=limit, on_start=on_start)
        return [{**what, "total": figures.total,
                 "summary": dict(figures.summary)}]

    return Task(f"faults over {transport}, {how}", do,
                {**what, "given_up": limit})


def faults(lab, build, transports, memory, limit):
    tasks = []
    for transport in transports:
        tasks.append(floor_task(lab, build, transport))
        for how, options in hows(lab, transport).items():
            tasks.append(fault_task(lab, transport, how, options, memory,
                                    limit))
    return tasks


def hows(lab, transport):
    """With the fault channel where this xl has one; it sets that up by
    itself, through ssh."""
    text = lab.run("a", "xl migrate --postcopy --help").stdout
    if FAULT_CHANNEL not in text or transport != "ssh":
        return HOWS
    return {**HOWS, "fault channel": FAULT_CHANNEL}


# ---- eviction ----

COST = re.compile(r"^time +(evict|page_in), (\d+) at a time: ([\d.]+) us/page",
                  re.M)


def costs(text):
    """The runs in what pager-probe prints."""
    found = {}
    for what, batch, cost in COST.findall(text):
        run = found.setdefault(int(batch), {"part": "eviction",
                                            "batch": int(batch)})
        run[f"{what}_us"] = float(cost)
    return list(found.values())


def eviction_task(lab, build):
    def do():
        send_tool(lab, build, "pager-probe")
        guest = PatternGuest(lab, memory=PROBE_MEMORY).start("a", "-p")
        domid = lab.run("a", ["xl", "domid", guest.name]).stdout.strip()
        done = lab.run("a", [f"{TOOLS}/pager-probe", domid, PROBE_PAGES])
        lab.run("a", ["xl", "destroy", guest.name])
        return costs(done.stdout)

    return Task("evicting, one by one and in batches", do, {})
