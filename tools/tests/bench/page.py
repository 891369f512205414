# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report for people: Markdown, plots by gnuplot, and HTML by pandoc."""

import shutil
import subprocess

import change
import figures

WIDTH = 400         # points of a curve
STEP_LEAST = 0.2    # s
# The plot around the stop: s before it, s after the longest one, and a bin.
NEAR_BEFORE, NEAR_AFTER, NEAR_STEP = 1, 3, 0.05

PLOT = """set terminal svg size 900,{height} background "white"
set output "{name}.svg"
set title "{title}"
set xlabel "{x}"
set ylabel "{y}"
set key outside right top
set grid
{more}
plot {curves}
"""


def slug(text):
    return "".join(letter if letter.isalnum() else "-" for letter in text)


# ---- curves ----

def rates(steps, first, last, width):
    """[(middle of a bin, growth a second in it)] of what is counted:
    steps are (time, count so far), in the order of time."""
    points = []
    count = max((done for time, done in steps if time <= first), default=0)
    start, place = first, 0
    while start < last:
        before = count
        while place < len(steps) and steps[place][0] < start + width:
            count = max(count, steps[place][1])
            place += 1
        points.append((start + width / 2, (count - before) / width))
        start += width
    return points


def steps_of(run):
    """(time, work done so far) at each heartbeat: its number for a guest that
    does nothing else."""
    column = 2 if run["work_is"] == "heartbeats" else 3
    return [(beat[0], beat[column]) for beat in run["course"]]


def stop_of(run):
    """When the last heartbeat came at the source."""
    course = run["course"]
    return max(beat[0] for beat in course if beat[1] == course[0][1])


def whole_curve(run):
    steps = steps_of(run)
    first, last = steps[0][0], steps[-1][0]
    return rates(steps, first, last, max(STEP_LEAST, (last - first) / WIDTH))


def near_curve(run, longest):
    """The work from the stop on; the longest stop in the plot took `longest` seconds."""
    stop = stop_of(run)
    steps = [(time - stop, count) for time, count in steps_of(run)]
    return rates(steps, max(steps[0][0], -NEAR_BEFORE),
                 min(steps[-1][0], longest + NEAR_AFTER), NEAR_STEP)


# ---- gnuplot ----

class Plots:
    """Makes NAME.svg from NAME.gp and data files, in a directory; where there
    is no gnuplot, only these."""

    def __init__(self, directory):
        self.directory = directory
        self.gnuplot = shutil.which("gnuplot")

    def draw(self, name, title, x, y, curves, more="", height=420):
        """curves: [(label, points, style)].  Returns Markdown."""
        parts = []
        for number, (label, points, style) in enumerate(curves):
            file = f"{name}-{number}.dat"
            least = 1 if "logscale y" in more else 0
            self.directory.joinpath(file).write_text("".join(
                f"{one:.4f} {max(two, least):.4f}\n" for one, two in points))
            parts.append(f'"{file}" with {style} lw 2 title "{label}"')
        self.directory.joinpath(f"{name}.gp").write_text(PLOT.format(
            name=name, title=title, x=x, y=y, more=more, height=height,
            curves=", \\\n     ".join(parts)))
        if not self.gnuplot:
            return f"(no gnuplot was there: `{name}.gp` is what it draws)"
        subprocess.run([self.gnuplot, f"{name}.gp"], cwd=self.directory,
                       check=True)
        return f"![{title}]({name}.svg)"


def draw_moves(plots, guest, memory, runs):
    """The run with the median downtime, for each way."""
    chosen = [(way, figures.middle_run(done, "downtime"))
              for (way,), group in figures.by_key(runs, "way")
              if (done := figures.ended(group))]
    if not chosen:
        return []
    unit = f"{chosen[0][1]['work_is']} a second"
    name = slug(f"{guest} {memory}")
    longest = max(run["downtime"] for _, run in chosen)
    more = "set yrange [0:]"
    # Behind the stop a busy guest gets a hundredth of its work done: the plot must show
    # it apart from nothing.
    near = "set logscale y\nset yrange [1:]" \
        if chosen[0][1]["work_is"] == "pages" else more
    return [
        plots.draw(f"whole-{name}", f"{guest}, {memory} MiB: its work",
                   "s since the start of xl", unit,
                   [(way, whole_curve(run), "lines") for way, run in chosen],
                   more),
        "",
        plots.draw(f"stop-{name}", f"{guest}, {memory} MiB: around the stop",
                   "s since the last heartbeat at the source", unit,
                   [(way, near_curve(run, longest), "steps")
                    for way, run in chosen],
                   near)]


def shares(counts):
    """[(bound, share of the waits below it)]"""
    total = sum(counts.values())
    points, so_far = [], 0
    for bound, count in counts.items():
        so_far += count
        points.append((float(bound), so_far / total))
    return points


def draw_faults(plots, rows, transport):
    curves = [(row["how"], shares(row["waits"]), "linespoints")
              for row in rows if row["waits"]]
    if not curves:
        return []
    return [plots.draw(f"faults-{slug(transport)}",
                       f"What faults wait, over {transport}", "ms",
                       "share of faults that wait less", curves,
                       "set logscale x\nset yrange [0:1]")]


# ---- tables ----

def table(head, rows):
    """Lines of Markdown; the first column is text."""
    lines = [f"| {' | '.join(head)} |",
             "|---|" + "---:|" * (len(head) - 1)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def show(value, form, unit=""):
    return "-" if value is None else f"{value:{form}}{unit}"


def show_spread(value, scale, form, unit):
    if not value:
        return "-"
    text = f"{scale * value['median']:{form}}{unit}"
    if value["least"] == value["most"]:
        return text
    return (f"{text} ({scale * value['least']:{form}} to "
            f"{scale * value['most']:{form}})")


def move_line(row, stock):
    if "downtime_s" not in row:
        return [row["way"]] + ["-"] * 9
    ratio = None
    if stock and "downtime_s" in stock:
        ratio = row["downtime_s"]["median"] / stock["downtime_s"]["median"]
    return [row["way"],
            show_spread(row["downtime_s"], 1000, ".0f", " ms"),
            show(ratio, ".2f"),
            show_spread(row["total_s"], 1, ".1f", " s"),
            show_spread(row["wire_mib"], 1, ".0f", " MiB"),
            *(show(row["work"][when], ".0f")
              for when in ("before", "during", "after")),
            show(row.get("faults"), ".0f"), str(row["errors"])]


def given_up_lines(rows, name):
    lines = []
    for row in rows:
        times = row["given_up_s"]
        if times:
            lines += ["", f"{row[name]}: {len(times)} of "
                      f"{len(times) + row['runs']} given up after "
                      f"{max(times):.0f} s."]
    return lines


MOVE_HEAD = ("way", "downtime", "to stock", "time to completion",
             "on the wire", "work/s before", "during", "after", "faults",
             "errors")


def move_pages(report, all_runs, plots):
    runs = figures.of_part(all_runs, "move")
    lines = []
    for (guest, memory), rows in figures.by_key(report["moves"], "guest",
                                                "memory"):
        lines += ["", f"## A guest of {memory} MiB, {guest}", ""]
        lines += table(MOVE_HEAD, [
            move_line(row, figures.stock_of(rows, row)) for row in rows])
        lines += [*given_up_lines(rows, "way"), "", *draw_moves(
            plots, guest, memory, [
                run for run in runs
                if (run["guest"], run["memory"]) == (guest, memory)])]
    return lines


LOAD_NOTES = """\
A client in the source's dom0 sends a request when it has the answer to the one before,
over the network between the hosts. So it sees what a user sees: also the stop, and how
long TCP takes to notice its end. The *longest gap* is the longest time without an answer.
*Lost* are the answers that are missing, as seconds of the usual rate. The usual rate is
that before the migration while the guest is at the source, and that of the end of the run
while it is at the destination. *Slow* is how long the rate was below half of the usual
one. A percentile counts each request once, and the stop is one request: read it beside
the gap. The guest without drivers has no clients: its heartbeats stand for answers."""

LOAD_HEAD = ("way", "longest gap", "downtime", "time to completion", "lost", "slow",
             "answers/s before", "during", "after", "median ms before", "during",
             "after", "99th percentile before", "during", "after", "wrong")
# The second plot: a long stop must not hide the waits for single pages.
LOAD_LOG = "set logscale y\nset yrange [1:]"


def load_line(row):
    if not row["runs"]:
        return [row["way"]] + ["-"] * (len(LOAD_HEAD) - 1)
    return [row["way"],
            *(show_spread(row[name], 1, ".1f", " s") for name in
              ("gap_s", "downtime", "total", "lost_s", "slow_s")),
            *(show(row[what][span], form) for what, form in
              (("rate", ".0f"), ("median_ms", ".1f"), ("p99_ms", ".0f"))
              for span in figures.SPANS), str(row["errors"])]


def load_curves(runs, column):
    """For each way the run with the median of what was lost."""
    return [(way, [(point[0], point[column]) for point in
                   figures.middle_run(done, "lost_s")["curve"]
                   if point[column] is not None], "steps")
            for (way,), group in figures.by_key(runs, "way")
            if (done := figures.ended(group))]


def load_pages(report, all_runs, plots):
    runs = figures.of_part(all_runs, "load")
    lines = ["", "# Guests under a load", "", LOAD_NOTES] if runs else []
    for (load, memory), rows in figures.by_key(report["loads"], "load", "memory"):
        here = [run for run in runs
                if (run["load"], run["memory"]) == (load, memory)]
        name = slug(f"{load} {memory}")
        lines += ["", f"## {load}, {memory} MiB", "",
                  *table(LOAD_HEAD, [load_line(row) for row in rows]),
                  *given_up_lines(rows, "way")]
        for kind, title, unit, column, more in (
                ("rate", "answers", "answers a second", 1, "set yrange [0:]"),
                ("wait", "the longest wait for an answer", "ms", 4, LOAD_LOG)):
            curves = load_curves(here, column)
            if curves:
                lines += ["", plots.draw(
                    f"load-{kind}-{name}", f"{load}, {memory} MiB: {title}",
                    "s since the start", unit, curves, more)]
    return lines


def stop_page(report):
    rows = [row for row in report["moves"] if row.get("stop_ms")]
    if not rows:
        return []
    return ["", "## What the stop is made of, as xl at the source sees it",
            "", *table(
                ("guest, way", *figures.STOP),
                [[f"{row['guest']}, {row['memory']} MiB, {row['way']}",
                  *(show(row["stop_ms"].get(name), ".0f", " ms")
                    for name in figures.STOP)] for row in rows])]


def fault_line(row, floor):
    ratio = figures.divided(row["median_ms"], floor)
    p99 = figures.divided(row["p99_ms"], floor)
    return [row["how"], show(row["faults"], ".0f"),
            show(row["median_ms"], ".1f", " ms"), show(ratio, ".1f"),
            show(row["p99_ms"], ".1f", " ms"), show(p99, ".1f"),
            show(row["longest_ms"], ".0f", " ms"),
            show(row["behind_median"], ".0f"), show(row["behind_most"], ".0f"),
            show(row["crossed"], ".0f"), show(row["total_s"], ".1f", " s")]


def fault_pages(report, plots):
    lines = []
    floor = {row["transport"]: row for row in report["floors"]}
    for (transport, memory), rows in figures.by_key(
            report["faults"], "transport", "memory"):
        lines += ["", f"## What a fault costs, over {transport}", "",
                  f"A guest of {memory} MiB that writes as fast as it can."]
        bare = floor.get(transport)
        if bare:
            lines += [f"One page there and back over the same link, which is "
                      f"idle otherwise: {bare['median_ms']:.1f} ms, 99th "
                      f"percentile {bare['p99_ms']:.1f} ms."]
        lines += ["", *table(
            ("how", "faults", "median", "to the bare page", "99th percentile",
             "to the bare page", "longest", "pushed pages before, median",
             "at most", "crossed", "in all"),
            [fault_line(row, bare and bare["median_ms"]) for row in rows]),
            *given_up_lines(rows, "how"), "",
            *draw_faults(plots, rows, transport)]
    return lines


def eviction_page(report):
    rows = report["evictions"]
    if not rows:
        return []
    return ["", "## Evicting and paging in, by pages at a time", "", *table(
        ("pages", "evict", "page in"),
        [[str(row["batch"]), show(row["evict_us"], ".1f", " us/page"),
          show(row["page_in_us"], ".1f", " us/page")] for row in rows])]


def trace_lines(trace):
    """The cost of a trace, and what the engine's trace shows of its faults."""
    return ["", f"With a trace at both ends a fault takes "
            f"{trace['ratio_median']:.2f} times as long as without, and all of "
            f"them one after another {trace['ratio_seconds']:.2f} times; a point "
            f"costs {trace['point_off_ns']:.1f} ns while nothing is traced, and "
            f"else {trace['point_on_ns']:.0f} ns. Where the faults' time goes, "
            "up to each point:", "", *table(
                ("until", "of all", "of the slowest hundredth"),
                [[name, f"{share:.1%}", f"{trace['p99_shares'][name]:.1%}"]
                 for name, share in trace["shares"].items()])]


def engine_page(report, has_plot):
    rows = report["engine"]
    if not rows:
        return []
    lines = ["", "## The engine without a hypervisor, at native speed", ""]
    lines += table(
        ("guest", "engine", "plain copy", "ratio", "CPU s/GiB", "plain",
         "median fault", "one page there and back", "source's own memory",
         "destination's"),
        [[f"{row['mib']} MiB, {row['mode']}",
          show(row["engine_mib_s"], ".0f", " MiB/s"),
          show(row["plain_mib_s"], ".0f", " MiB/s"), show(row["ratio"], ".2f"),
          show(row["cpu_s_per_gib"], ".2f"),
          show(row["plain_cpu_s_per_gib"], ".2f"),
          show(row["fault_median_us"] if row["faults"] else None, ".0f",
               " us"),
          show(row["ping_median_us"], ".0f", " us"),
          show(row["source_kib"] / 1024, ".1f", " MiB"),
          show(row["destination_kib"] / 1024, ".1f", " MiB")]
         for row in rows])
    if has_plot:
        lines += ["", "![Rates of the engine](engine.svg)"]
    return lines + [line for row in rows if "trace" in row
                    for line in trace_lines(row["trace"])]


# ---- beside QEMU ----

QEMU_NOTES = """\
The same: the guest's size, without a page of zeroes; loopback TCP; postcopy before
anything else is sent, on the same machine and by turns. Not the same: QEMU runs its
guest, on a processor that the migration could use, and puts pages in place by
userfaultfd. The engine has a fake hypervisor, which copies pages to their place, and a
guest of one thread that does nothing but touch pages. QEMU's wait for a page is the
mean: the time for which its vCPU was blocked, by its own count, through the pages that
it asked for. Its stop is what it calls downtime; the engine has none here, and the
stop of a real guest is above. A guest that reads its memory uses CPU itself, so only
that of the guest that halts is compared."""


def qemu_lines(rows):
    engine = {row["touch"]: row["mib_s"] for row in rows
              if row["way"] == "engine"}
    for row in rows:
        own = row["way"] == "engine"
        yield ["reads its memory" if row["touch"] else "halts",
               "the engine" if own else f"QEMU, {row['way']}",
               show(row["mib_s"], ".0f", " MiB/s"),
               show(None if own or row["touch"] not in engine else
                    engine[row["touch"]] / row["mib_s"], ".2f"),
               show(row["stop_ms"], ".0f", " ms"),
               show(None if row["touch"] else row["cpu_s_per_gib"], ".2f"),
               show(row["requests"] or None, ".0f"),
               show(row["wait_us"], ".0f",
                    " us, median" if own else " us, mean")]


def qemu_page(told):
    """told: what bench-qemu wrote, or None."""
    if not told:
        return []
    return ["", "## Beside QEMU's postcopy", "",
            f"A guest of {told['mib']} MiB, beside {told['qemu']} without "
            "hardware virtualisation.", "", *table(
                ("guest", "moved by", "rate", "the engine's to this", "stop",
                 "CPU s/GiB", "pages asked for", "wait for one"),
                list(qemu_lines(told["rows"]))), "", QEMU_NOTES]


# ---- all of it ----

REACHED = {True: "reached", False: "NOT REACHED", None: "not measured"}


def goal_lines(goals):
    return table(("goal", "measured", "wanted", ""), [
        [goal["what"], show(goal["value"], ".3g"),
         f"{'at most' if goal['better'] == figures.LESS else 'at least'} "
         f"{goal['limit']:.3g}", REACHED[goal["reached"]]]
        for goal in goals])


def about_lines(about):
    return [f"Measured {about['when']} of {about['tree']}, on a machine with "
            f"{about['processors']} processors ({about['accel']}), "
            f"each {about['repeat']} times, in turn. Load of the machine "
            f"at the beginning: {about['load']:.1f}. Medians; in brackets "
            "the least and the most. The hosts are emulated: read the "
            "ratios, not the seconds."]


def change_lines(report, kept):
    """The comparison with the report that was kept; None: there is none."""
    if kept is None:
        return []
    rows = change.changes(kept, report)
    return ["", f"## Since the report that was kept ({kept['about']['tree']})", "",
            change.verdict(rows), "", *change.table(rows)]


def summary(report, kept):
    """Lines for a terminal: the goals, and what has changed."""
    lines = ["", *goal_lines(report["goals"])]
    if kept:
        rows = change.changes(kept, report)
        lines += ["", f"Since the report that was kept ({kept['about']['tree']}): "
                  f"{change.verdict(rows)}",
                  *change.table([row for row in rows if row[3]])]
    return lines


def markdown(report, runs, kept, plots):
    engine_plot = plots.directory / "engine.svg"
    return "\n".join([
        "# Postcopy migration, measured", "", *about_lines(report["about"]),
        "", "## Goals", "", *goal_lines(report["goals"]),
        *change_lines(report, kept),
        *move_pages(report, runs, plots), *stop_page(report),
        *load_pages(report, runs, plots),
        *fault_pages(report, plots), *eviction_page(report),
        *engine_page(report, engine_plot.exists()),
        *qemu_page(report.get("qemu")), ""])


def write(directory, report, runs, kept, style):
    """report.md, its plots and, where there is pandoc, report.html."""
    page = directory / "report.md"
    page.write_text(markdown(report, runs, kept, Plots(directory)))
    if shutil.which("pandoc"):
        subprocess.run(["pandoc", "-s", "-f", "gfm", "-t", "html",
                        "--metadata", "pagetitle=Postcopy migration, measured",
                        "--include-in-header", str(style), "-o",
                        "report.html", "report.md"],
                       cwd=directory, check=True)
        return directory / "report.html"
    return page
