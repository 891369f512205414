# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures of a migration, seen from outside by one clock.

The guest prints a heartbeat every few milliseconds while it runs, wherever it
runs, and one process stamps them all.  The guest's stop is the gap between the last
heartbeat at the source and the first at the destination.
"""

from typing import NamedTuple, Optional

from guests import PatternGuest, SIGN_OF_LIFE_LIMIT
from moving import Migration, Summary, other

MEASURE_LIMIT = 1800        # seconds; the stock xl may take its time
PAGE_AND_PFN = 4096 + 8     # what a page takes in any of the streams
# Seconds before a migration and after it in which the guest's own work is
# measured.
BESIDE = 3


class Way(NamedTuple):
    """How to move a guest."""

    label: str
    options: str
    postcopy: bool
    when: Optional[str] = None      # of --postcopy=WHEN


POSTCOPY = Way("postcopy", "", True)
HYBRID = Way("hybrid", "--precopy-iterations 2", True)
AUTO = Way("auto", "", True, "auto")
STOCK = Way("stock xl", "", False)
WAYS = (POSTCOPY, HYBRID, STOCK)


class Load(NamedTuple):
    """What a guest does: pages a second that it writes and checks, each "none"
    and "max" as well, and MiB that it writes."""

    label: str
    rate: str
    check: str
    working_set: str = "all"

    @property
    def works(self):
        return self.check != "none"


IDLE = Load("idle", "none", "none")
# The lab's wire carries some thousand pages a second.
SLOW_WRITER = Load("slow writer", "200", "4000")
FAST_WRITER = Load("fast writer", "max", "max")


class TookTooLong(Exception):
    """Raised when the migration had not ended at the limit; the migration goes on."""


class Figures(NamedTuple):
    way: Way
    downtime: float         # s
    total: float            # s, until xl ends
    wire: int               # octets that the source sent to the other host
    errors: int             # errors that the guest found
    summary: Summary        # xl's own summary; empty for the stock xl
    course: list            # guests.Step, stamped from the start of xl

    def pages(self, *names):
        return int(sum(self.summary.get(name, 0) for name in names))

    @property
    def pages_sent(self):
        """The pages that the stock xl sent, by the octets, because the stock xl does not
        tell."""
        if not self.summary:
            return self.wire // PAGE_AND_PFN
        return self.pages("sent while it ran here", "sent while it was stopped",
                          "left for postcopy")


def sent_octets(lab, host):
    counter = "/sys/class/net/lab0/statistics/tx_bytes"
    return int(lab.run(host, f"cat {counter}").stdout)


def downtime(guest, source, dest, since):
    """(last beat at the source, first beat at the destination)."""
    beats = guest.beats(since=since)
    return ([beat for beat in beats if beat.host == source][-1],
            [beat for beat in beats if beat.host == dest][0])


def let_run(guest, until):
    """Returns when the guest has a heartbeat from then on."""
    since = guest.wait_beat().time
    limit = until - since + SIGN_OF_LIFE_LIMIT
    for line in guest.lab.console.follow(since, max(limit, 1)):
        if line.host == guest.host and line.time >= until:
            return


def warm_up(guest, load):
    """Waits until the guest has done all that it does for the first time."""
    if load.works:
        guest.wait_pass()
    since = guest.lab.console.now()
    let_run(guest, since + BESIDE)
    return since


def finish(migration, limit):
    if not migration.ends_within(limit):
        raise TookTooLong(f"`{migration.command}` takes more than {limit} s")
    return migration.expect_success()


def measure(lab, way, memory, load=FAST_WRITER, host="a", transport="tcp",
            limit=MEASURE_LIMIT, on_start=None, on_line=None,
            on_arrival=None):
    """Start a pattern guest with this load, move it, let it check all its
    memory if it ever does, and destroy it.  TookTooLong after `limit` seconds
    of moving leaves hosts of which nothing more can be asked.

    on_start(guest, migration), on_line(text), for what xl prints, and
    on_arrival(guest), when xl has ended, let the caller watch.
    """
    guest = PatternGuest(lab, memory=memory, heartbeat=10, rate=load.rate,
                         check=load.check,
                         working_set=load.working_set).start(host)
    since = warm_up(guest, load)
    before = sent_octets(lab, host)
    migration = Migration(guest, way.options, transport, way.postcopy,
                          when=way.when, on_line=on_line)
    if on_start:
        on_start(guest, migration)
    summary = finish(migration, limit)
    wire = sent_octets(lab, host) - before
    if on_arrival:
        on_arrival(guest)
    let_run(guest, migration.ended + BESIDE)
    if load.works:
        guest.wait_pass()
    last, first = downtime(guest, host, other(host), since)
    guest.assert_ran_once(host, other(host))
    errors = guest.beats(since)[-1].errors
    course = [step._replace(time=step.time - migration.started)
              for step in guest.steps(since)
              if step.time < migration.ended + BESIDE]
    lab.run(guest.host, ["xl", "destroy", guest.name])
    return Figures(way, first.time - last.time,
                   migration.ended - migration.started, wire, errors, summary,
                   course)


def work(figures, count):
    """A second's work before, during and after the migration; count(step) is
    what was done so far."""
    def of(first, last):
        steps = [step for step in figures.course if first <= step.time <= last]
        return ((count(steps[-1]) - count(steps[0]))
                / (steps[-1].time - steps[0].time))

    return {"before": of(float("-inf"), 0), "during": of(0, figures.total),
            "after": of(figures.total, float("inf"))}


def count(figures, *names):
    return f"{figures.pages(*names):,}" if figures.summary else "-"


def milliseconds(figures, name):
    value = figures.summary.get(name)
    return "-" if value is None else f"{value:.1f} ms"


def hot_share(figures):
    hot = figures.summary.get("of this, pages needed first")
    stop = figures.summary.get("stopped, seen from here")
    return "-" if hot is None or not stop else f"{100 * hot / stop:.0f} %"


ROWS = (
    ("downtime", lambda f: f"{f.downtime:.2f} s"),
    ("time to completion", lambda f: f"{f.total:.1f} s"),
    ("pages sent", lambda f: ("" if f.summary else "~")
     + f"{f.pages_sent:,}"),
    ("  while it ran at the source",
     lambda f: count(f, "sent while it ran here")),
    ("  while it was stopped",
     lambda f: count(f, "sent while it was stopped")),
    ("    of these needed first",
     lambda f: count(f, "of these needed first")),
    ("    and what they take of the stop", hot_share),
    ("  pushed after it", lambda f: count(f, "of these pushed")),
    ("  requested by it", lambda f: count(f, "of these requested")),
    ("faults", lambda f: count(f, "faults of the guest")),
    ("  median wait", lambda f: milliseconds(f, "median wait")),
    ("  99th percentile", lambda f: milliseconds(f, "99 of 100 below")),
    ("errors found by the guest", lambda f: str(f.errors)),
)


def table(all_figures):
    """Lines of a table, which is one in Markdown, too."""
    cells = [[""] + [figures.way.label for figures in all_figures]]
    for name, show in ROWS:
        cells.append([name] + [show(figures) for figures in all_figures])
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [" | ".join([row[0].ljust(widths[0])] +
                        [cell.rjust(width) for cell, width
                         in zip(row[1:], widths[1:])]) for row in cells]
    rule = "|".join(["-" * (widths[0] + 2)] +
                    ["-" * (width + 1) + ":" for width in widths[1:]])
    return [f"| {lines[0]} |", f"|{rule}|"] + [f"| {line} |"
                                               for line in lines[1:]]
