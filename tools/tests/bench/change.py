# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds what has become worse since another report: the part of bench-change itself.

Only ratios are compared: seconds of another machine, or of the same one with
other work, say nothing.
"""

import argparse
import json
import pathlib

from figures import FORMAT, LESS

# Emulated hosts on a busy machine: less than this is noise.
TOLERANCE = 0.25
WORSE, BETTER, SAME, NEW, GONE = "WORSE", "better", "", "new", "GONE"


class Unreadable(Exception):
    """A file that is no report; says why."""


def load(path):
    try:
        report = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: no report: {error}") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise Unreadable(f"{path}: no report of format {FORMAT}: measure "
                         "anew with `make bench`")
    return report


def judge(before, now, better, tolerance):
    """Whether `now` is further from `before` than the tolerance, as a factor
    either way."""
    if better == LESS:
        before, now = now, before
    if now * (1 + tolerance) < before:
        return WORSE
    if before * (1 + tolerance) < now:
        return BETTER
    return SAME


def changes(before, now, tolerance=TOLERANCE):
    """[(name, value before, value now, mark)] of all ratios of either report;
    a value that is not there is None."""
    old, new = before["ratios"], now["ratios"]
    rows = []
    for name, ratio in new.items():
        if name in old:
            mark = judge(old[name]["value"], ratio["value"], ratio["better"],
                         tolerance)
            rows.append((name, old[name]["value"], ratio["value"], mark))
        else:
            rows.append((name, None, ratio["value"], NEW))
    rows += [(name, ratio["value"], None, GONE)
             for name, ratio in old.items() if name not in new]
    return rows


def as_far_as(now, before):
    """The report `before` without ratios that the run of `now` was not asked for."""
    return {**before, "ratios": {name: ratio
                                 for name, ratio in before["ratios"].items()
                                 if name in now["ratios"]}}


def number(value):
    return "-" if value is None else f"{value:.3g}"


def table(rows):
    """Lines of Markdown; what became worse stands first."""
    order = (WORSE, GONE, SAME, BETTER, NEW)
    rows = sorted(rows, key=lambda row: order.index(row[3]))
    lines = ["| ratio | before | now | |", "|---|---:|---:|---|"]
    for name, before, now, mark in rows:
        lines.append(f"| {name} | {number(before)} | {number(now)} | "
                     f"{mark} |")
    return lines


def verdict(rows):
    marks = [row[3] for row in rows]
    counts = ", ".join(f"{marks.count(mark)} {text}" for mark, text in (
        (WORSE, "worse"), (BETTER, "better"), (SAME, "as before"),
        (NEW, "new"), (GONE, "not measured any more")) if mark in marks)
    return f"{counts or 'nothing to compare'}."


def main():
    parser = argparse.ArgumentParser(
        prog="bench-change", description="Compare the ratios of two reports "
        "of `make bench`; ends with 1 when some became worse.")
    parser.add_argument("before", help="report.json, or docs/figures.json")
    parser.add_argument("now")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE,
                        metavar="SHARE", help="what counts as noise "
                        f"({TOLERANCE})")
    args = parser.parse_args()
    try:
        rows = changes(load(args.before), load(args.now), args.tolerance)
    except Unreadable as why:
        parser.error(str(why))
    print("\n".join(table(rows)))
    print(verdict(rows))
    return 1 if any(row[3] == WORSE for row in rows) else 0
