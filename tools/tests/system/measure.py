"""Figures of a migration, seen from outside by one clock.

The guest prints a heartbeat every few milliseconds while it runs, wherever it
runs, and one process stamps them all.  Its stop is the gap between the last
at the source and the first at the destination.
"""

from typing import NamedTuple

from guests import PatternGuest
from moving import Migration, Summary, other

MEASURE_LIMIT = 1800        # seconds; the stock xl may take its time
PAGE_AND_PFN = 4096 + 8     # what a page takes in any of the streams


class Way(NamedTuple):
    """How to move a guest."""

    label: str
    options: str
    postcopy: bool


POSTCOPY = Way("postcopy", "", True)
HYBRID = Way("hybrid", "--precopy-iterations 2", True)
STOCK = Way("stock xl", "", False)
WAYS = (POSTCOPY, HYBRID, STOCK)


class Figures(NamedTuple):
    way: Way
    downtime: float         # s
    total: float            # s, until xl ends
    wire: int               # octets that the source sent to the other host
    errors: int             # that the guest found
    summary: Summary        # what xl says itself; empty for the stock one

    def pages(self, *names):
        return int(sum(self.summary.get(name, 0) for name in names))

    @property
    def pages_sent(self):
        """Those of the stock xl, which does not tell, from the octets."""
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


def measure(lab, way, memory, working_set="all", host="a", on_start=None,
            on_line=None, on_arrival=None):
    """Start a pattern guest that writes its working set as fast as it can,
    move it, let it check all its memory, and destroy it.

    on_start(guest, migration), on_line(text), for what xl prints, and
    on_arrival(guest), when xl has ended, let somebody watch.
    """
    guest = PatternGuest(lab, memory=memory, heartbeat=10, rate="max",
                         check="max", working_set=working_set).start(host)
    guest.wait_pass()
    before = sent_octets(lab, host)
    since = lab.console.now()
    migration = Migration(guest, way.options, postcopy=way.postcopy,
                          on_line=on_line)
    if on_start:
        on_start(guest, migration)
    summary = migration.expect_success(MEASURE_LIMIT)
    wire = sent_octets(lab, host) - before
    if on_arrival:
        on_arrival(guest)
    guest.wait_pass()
    last, first = downtime(guest, host, other(host), since)
    guest.assert_ran_once(host, other(host))
    lab.run(guest.host, ["xl", "destroy", guest.name])
    return Figures(way, first.time - last.time,
                   migration.ended - migration.started, wire,
                   guest.beats(since)[-1].errors, summary)


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
