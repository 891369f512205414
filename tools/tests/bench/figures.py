# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures of the runs of a measurement: medians, ratios, and the goals.

A run is a dict, as parts.py makes it and runs.json keeps it; what is made of
all of them, the report, is what change.py compares and page.py shows.  Nothing
here knows of hosts or files.

Hosts differ, and these are emulated: the ratios are what counts, each to
something that was measured in the same run.
"""

import re
import statistics

FORMAT = 1
STOCK = "stock xl"
FULL_PUSH = "full push"
LESS, MORE = "less", "more"     # which way is better
# Pushed pages that may come before a requested one: a batch.
BATCH = 1024

# Parts of the stop, as xl's summary calls them.
STOP = ("suspending the guest", "its last pages and state",
        "until the destination is ready", "until it is handed over",
        "until it runs there")

# A goal, in pushed pages that came between a request and its page.
NOT_BEHIND = "no fault behind more than one batch (pages)"

MIB = 1 << 20
PAGE = 4096


def spread(values):
    values = [value for value in values if value is not None]
    return {"median": statistics.median(values), "least": min(values),
            "most": max(values)} if values else None


def middle(values):
    """The median of the values that are there."""
    found = spread(values)
    return found and found["median"]


def by_key(runs, *names):
    """[(key, runs with this key)], in the order in which keys first come."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run[name] for name in names), []).append(run)
    return list(groups.items())


def of_part(runs, part):
    return [run for run in runs if run["part"] == part]


def in_summaries(runs, name):
    """The median of what xl's summaries say under this name."""
    return middle(run["summary"].get(name) for run in runs)


def most_in_summaries(runs, name):
    """The greatest of these."""
    return max((run["summary"][name] for run in runs
                if name in run["summary"]), default=None)


def ended(runs):
    """The runs that were not given up."""
    return [run for run in runs if "given_up" not in run]


def given_up(runs):
    """The seconds after which the others were given up."""
    return [run["given_up"] for run in runs if "given_up" in run]


def middle_run(runs, name):
    """The run that stands for all: that with the (lower) median."""
    ordered = sorted(runs, key=lambda run: run[name])
    return ordered[(len(ordered) - 1) // 2]


# ---- the moves of guests ----

def move_row(key, runs):
    guest, memory, way = key
    done = ended(runs)
    row = {"guest": guest, "memory": memory, "way": way, "runs": len(done),
           "given_up_s": given_up(runs)}
    if not done:
        return row
    row["downtime_s"] = spread(run["downtime"] for run in done)
    row["total_s"] = spread(run["total"] for run in done)
    row["wire_mib"] = spread(run["wire"] / MIB for run in done)
    row["work"] = {when: middle(run["work"][when] for run in done)
                   for when in ("before", "during", "after")}
    row["work_is"] = done[0]["work_is"]
    row["errors"] = max(run["errors"] for run in done)
    if any(run["summary"] for run in done):
        row["faults"] = in_summaries(done, "faults of the guest") or 0
        row["median_ms"] = in_summaries(done, "median wait")
        row["p99_ms"] = in_summaries(done, "99 of 100 below")
        row["twice"] = max(run["summary"].get("that came twice", 0)
                           for run in done)
        row["stop_ms"] = {name: 1000 * in_summaries(done, name)
                          for name in STOP
                          if in_summaries(done, name) is not None}
    return row


def moves(runs):
    return [move_row(key, group) for key, group
            in by_key(of_part(runs, "move"), "guest", "memory", "way")]


def stock_of(rows, row):
    """The stock xl's move of the same guest."""
    for other in rows:
        if other["way"] == STOCK and (other["guest"], other["memory"]) == \
                (row["guest"], row["memory"]):
            return other
    return None


# ---- what a fault costs ----

def waits(runs):
    """{upper bound in ms: how many waited less, but not less than the next
    bound below}, of all runs."""
    found = {}
    for run in runs:
        for name, count in run["summary"].items():
            below = re.fullmatch(r"below (\d+\.\d+) ms", name)
            if below:
                found[below[1]] = found.get(below[1], 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: float(item[0])))


def floors(runs):
    return [{"transport": transport, "runs": len(group),
             "median_ms": middle(run["median_us"] / 1000 for run in group),
             "p99_ms": middle(run["p99_us"] / 1000 for run in group)}
            for (transport,), group
            in by_key(of_part(runs, "floor"), "transport")]


def fault_row(key, runs):
    transport, memory, how = key
    done = ended(runs)
    return {"transport": transport, "memory": memory, "how": how,
            "runs": len(done), "given_up_s": given_up(runs),
            "faults": in_summaries(done, "faults of the guest"),
            "median_ms": in_summaries(done, "median wait"),
            "p99_ms": in_summaries(done, "99 of 100 below"),
            "longest_ms": in_summaries(done, "longest"),
            "behind_median":
                in_summaries(done, "pushed pages before, median"),
            "behind_most":
                most_in_summaries(done, "pushed pages before, at most"),
            "crossed": in_summaries(done, "that crossed their page"),
            "total_s": middle(run["total"] for run in done),
            "waits": waits(done)}


def faults(runs):
    return [fault_row(key, group) for key, group
            in by_key(of_part(runs, "fault"), "transport", "memory", "how")]


def evictions(runs):
    return [{"batch": batch, "runs": len(group),
             "evict_us": middle(run["evict_us"] for run in group),
             "page_in_us": middle(run["page_in_us"] for run in group)}
            for (batch,), group
            in by_key(of_part(runs, "eviction"), "batch")]


# ---- guests under a load ----

# What curves.figures() has of a run, but for its curve.
LOAD_NUMBERS = ("total", "downtime", "gap_s", "lost_s", "slow_s", "settled_rate")
LOAD_SPANS = ("rate", "median_ms", "p99_ms")
SPANS = ("before", "during", "after")


def load_row(key, runs):
    load, memory, way = key
    done = ended(runs)
    row = {"load": load, "memory": memory, "way": way, "runs": len(done),
           "given_up_s": given_up(runs)}
    if not done:
        return row
    row.update((name, spread(run[name] for run in done)) for name in LOAD_NUMBERS)
    row.update((name, {span: middle(run[name][span] for run in done)
                       for span in SPANS}) for name in LOAD_SPANS)
    row["requests"] = sum(run["requests"] for run in done)
    row["errors"] = sum(run["errors"] for run in done)
    row["rounds"] = in_summaries(done, "precopy rounds")
    if any(run["summary"] for run in done):
        row["twice"] = max(run["summary"].get("that came twice", 0)
                           for run in done)
    return row


def loads(runs):
    return [load_row(key, group) for key, group
            in by_key(of_part(runs, "load"), "load", "memory", "way")]


# ---- ratios ----

def divided(one, other):
    return None if one is None or not other else one / other


def move_ratios(rows):
    for row in rows:
        name = f"{row['guest']}, {row['memory']} MiB, {row['way']}"
        stock = stock_of(rows, row)
        if stock and row is not stock:
            for key, what in (("downtime_s", "downtime"),
                              ("total_s", "time to completion"),
                              ("wire_mib", "octets on the wire")):
                yield (f"{name}: {what} to stock's", LESS,
                       divided(row.get(key, {}).get("median"),
                               stock.get(key, {}).get("median")))
        work = row.get("work")
        if work and row["way"] != STOCK:
            for when in ("during", "after"):
                yield (f"{name}: work {when} it to work before", MORE,
                       divided(work[when], work["before"]))


def load_ratios(rows):
    """Each way to the stock xl's of the same load, in what a client sees."""
    stocks = {(row["load"], row["memory"]): row for row in rows
              if row["way"] == STOCK and row["runs"]}
    for row in rows:
        stock = stocks.get((row["load"], row["memory"]))
        if stock and row is not stock and row["runs"]:
            name = f"{row['load']}, {row['memory']} MiB, {row['way']}"
            for key, what in (("gap_s", "longest gap"),
                              ("total", "time to completion")):
                yield (f"{name}: {what} to stock's", LESS,
                       divided(row[key]["median"], stock[key]["median"]))


def fault_ratios(rows, floor_rows):
    floor = {row["transport"]: row["median_ms"] for row in floor_rows}
    for row in rows:
        for key, what in (("median_ms", "median fault"),
                          ("p99_ms", "99th percentile of faults")):
            yield (f"{row['transport']}, {row['how']}: {what} to a page "
                   "there and back", LESS,
                   divided(row[key], floor.get(row["transport"])))


def eviction_ratios(rows):
    single = next((row for row in rows if row["batch"] == 1), None)
    for row in rows:
        if single and row is not single:
            for key, what in (("evict_us", "evicting"),
                              ("page_in_us", "paging in")):
                yield (f"{what}, {row['batch']} at a time to one by one",
                       LESS, divided(row[key], single[key]))


def engine_ratios(rows):
    for row in rows:
        name = f"engine, {row['mode']}, {row['mib']} MiB"
        if row["mode"] != "demand":
            yield (f"{name}: rate to a plain copy's", MORE, row["ratio"])
            yield (f"{name}: CPU to a plain copy's", LESS,
                   divided(row["cpu_s_per_gib"], row["plain_cpu_s_per_gib"]))
        if row["faults"]:
            yield (f"{name}: median fault to a page there and back", LESS,
                   divided(row["fault_median_us"], row["ping_median_us"]))
        if "trace" in row:
            yield (f"{name}: median fault with a trace to one without", LESS,
                   row["trace"]["ratio_median"])


def ratios(report):
    found = [*move_ratios(report["moves"]),
             *fault_ratios(report["faults"], report["floors"]),
             *eviction_ratios(report["evictions"]),
             *load_ratios(report["loads"]),
             *engine_ratios(report["engine"])]
    return {name: {"value": value, "better": better}
            for name, better, value in found if value is not None}


# ---- goals ----

def goal(what, value, limit, better=LESS):
    """`reached` is None where nothing was measured."""
    reached = None
    if value is not None:
        reached = value <= limit if better == LESS else value >= limit
    return {"what": what, "value": value, "limit": limit, "better": better,
            "reached": reached}


def move_goals(report):
    wanted = (("fast writer", "downtime", 0.1), ("idle", "downtime", 1),
              ("fast writer", "time to completion", 0.5))
    for guest, what, limit in wanted:
        for row in report["moves"]:
            if row["guest"] == guest and row["way"] == "postcopy":
                name = (f"{guest}, {row['memory']} MiB, postcopy: {what} to "
                        "stock's")
                yield goal(name, value_of(report, name), limit)


def fault_goals(report):
    for row in report["faults"]:
        if row["how"] == FULL_PUSH:
            for what, limit in (("median fault", 2),
                                ("99th percentile of faults", 5)):
                name = (f"{row['transport']}, {FULL_PUSH}: {what} to a page "
                        "there and back")
                yield goal(name, value_of(report, name), limit)
            yield goal(f"{row['transport']}, {FULL_PUSH}: {NOT_BEHIND}",
                       row["behind_most"], BATCH)


def engine_goals(report):
    for row in report["engine"]:
        if row["mode"] == "faults":
            yield goal(f"engine, faults, {row['mib']} MiB: {NOT_BEHIND}",
                       row.get("behind_most"), BATCH)
        if row["mode"] == "push":
            name = f"engine, push, {row['mib']} MiB: rate to a plain copy's"
            yield goal(name, value_of(report, name), 0.9, MORE)
            most = 64 + row["mib"] / PAGE
            for end in ("source", "destination"):
                yield goal(f"engine, push, {row['mib']} MiB: MiB of its own "
                           f"at the {end}", row[f"{end}_kib"] / 1024, most)


def duplicate_goal(report):
    counts = [row["twice"] for row in report["moves"] + report["loads"]
              if "twice" in row]
    return goal("pages that crossed twice", max(counts, default=None), 0)


def value_of(report, name):
    return report["ratios"].get(name, {}).get("value")


def goals(report):
    return [*move_goals(report), *fault_goals(report), duplicate_goal(report),
            *engine_goals(report)]


# ---- all of it ----

def rounded(thing):
    """With four digits: the kept report stays short, and the runs are no more exact."""
    if isinstance(thing, float):
        return float(f"{thing:.4g}")
    if isinstance(thing, dict):
        return {name: rounded(value) for name, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [rounded(one) for one in thing]
    return thing


def make(measured):
    """The report on what was measured: {"about": ..., "runs": [...], "engine":
    what bench-engine wrote, or [], "qemu": what bench-qemu wrote, or None}."""
    runs = measured["runs"]
    report = {"format": FORMAT, "about": measured["about"],
              "moves": moves(runs), "floors": floors(runs),
              "faults": faults(runs), "evictions": evictions(runs),
              "loads": loads(runs),
              "engine": measured["engine"], "qemu": measured.get("qemu")}
    report["ratios"] = ratios(report)
    report["goals"] = goals(report)
    return rounded(report)
