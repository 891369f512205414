#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the code that handles measurements: figures, differences, pages."""

import contextlib
import copy
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import re
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[2]
sys.path[:0] = [str(TREE / "xen" / "lab"), str(HERE.parent / "system"),
                str(HERE)]

import change       # noqa: E402
import figures      # noqa: E402
import measure      # noqa: E402
import page         # noqa: E402
import parts        # noqa: E402
import superpages   # noqa: E402
from guests import Step     # noqa: E402


def script(name):
    """A script without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


bench = script("bench")
bench_qemu = script("bench-qemu")

KEPT = TREE / "docs" / "figures.json"
ABOUT = {"when": "2026-01-02 03:04 UTC", "tree": "v1", "processors": 2,
         "load": 0.5, "repeat": 3, "accel": "tcg"}


def course(stop, away, end):
    """A heartbeat each 0.1 s with ten pages, none for `away` from `stop`."""
    beats = []
    for time in (tick / 10 for tick in range(-30, round(10 * end))):
        if not stop < time < stop + away:
            number = len(beats) + 1
            beats.append([time, "a" if time <= stop else "b", number,
                          10 * number])
    return beats


def move(guest, way, downtime, total=10.0, **more):
    summary = {} if way == figures.STOCK else {
        "faults of the guest": 40.0, "median wait": 5.0,
        "99 of 100 below": 40.0, "that came twice": 0.0,
        "suspending the guest": 0.1}
    return {"part": "move", "guest": guest, "memory": 64, "way": way,
            "downtime": downtime, "total": total, "wire": 64 << 20,
            "errors": 0, "summary": summary, "work_is": "pages",
            "work": {"before": 1000.0, "during": 500.0, "after": 900.0},
            "course": course(1.0, downtime, total), **more}


def fault(how, median, p99, **counts):
    return {"part": "fault", "transport": "ssh", "memory": 64, "how": how,
            "total": 20.0,
            "summary": {"faults of the guest": 40.0, "median wait": median,
                        "99 of 100 below": p99,
                        "pushed pages before, median": 20.0,
                        "pushed pages before, at most": 300.0, **counts}}


def eviction(batch, evict_us):
    return {"part": "eviction", "batch": batch, "evict_us": evict_us,
            "page_in_us": 2 * evict_us}


ENGINE = [{"mode": "push", "mib": 1024, "engine_mib_s": 800.0,
           "plain_mib_s": 1000.0, "ratio": 0.8, "cpu_s_per_gib": 0.6,
           "plain_cpu_s_per_gib": 0.3, "source_kib": 70 * 1024,
           "destination_kib": 1024, "faults": 0, "fault_median_us": 0,
           "ping_median_us": 20}]

RUNS = [
    move("idle", "stock xl", 0.5), move("idle", "postcopy", 0.6),
    move("fast writer", "stock xl", 6.0, 60.0),
    move("fast writer", "postcopy", 0.4, 12.0),
    move("fast writer", "postcopy", 0.8, 15.0),
    move("fast writer", "postcopy", 0.5, 18.0),
    {"part": "floor", "transport": "ssh", "median_us": 2000.0,
     "p99_us": 9000.0},
    fault(figures.FULL_PUSH, 3.0, 20.0, **{"below 2.048 ms": 10.0,
                                           "below 16.384 ms": 30.0}),
    # This is allowed, because it is no full push.
    fault("no background", 2.5, 5.0,
          **{"pushed pages before, at most": 5000.0}),
    eviction(1, 8.0), eviction(512, 1.0)]


def measured(runs=RUNS, engine=ENGINE):
    return {"about": ABOUT, "runs": runs, "engine": engine}


def goal_of(report, words):
    found = [goal for goal in report["goals"] if words in goal["what"]]
    assert len(found) == 1, found
    return found[0]


class Figures(unittest.TestCase):
    def setUp(self):
        self.report = figures.make(measured())

    def ratio(self, name):
        return self.report["ratios"][name]["value"]

    def test_runs_of_a_kind_come_to_their_median(self):
        row = [row for row in self.report["moves"]
               if row["guest"] == "fast writer"][1]
        self.assertEqual(row["runs"], 3)
        self.assertEqual(row["downtime_s"],
                         {"median": 0.5, "least": 0.4, "most": 0.8})
        self.assertAlmostEqual(row["stop_ms"]["suspending the guest"], 100)

    def test_ratios_are_to_the_stock_move_of_the_same_guest(self):
        self.assertAlmostEqual(self.ratio(
            "fast writer, 64 MiB, postcopy: downtime to stock's"), 0.5 / 6, 4)
        self.assertAlmostEqual(self.ratio(
            "idle, 64 MiB, postcopy: downtime to stock's"), 1.2)

    def test_ratios_of_faults_are_to_the_bare_page(self):
        self.assertAlmostEqual(self.ratio(
            "ssh, full push: median fault to a page there and back"), 1.5)
        self.assertAlmostEqual(self.ratio(
            "ssh, full push: 99th percentile of faults to a page there and "
            "back"), 10)

    def test_batches_are_compared_with_single_pages(self):
        self.assertAlmostEqual(self.ratio(
            "evicting, 512 at a time to one by one"), 1 / 8)
        self.assertNotIn("evicting, 1 at a time to one by one",
                         self.report["ratios"])

    def test_goals(self):
        for words, reached in (
                ("fast writer, 64 MiB, postcopy: downtime", True),
                ("fast writer, 64 MiB, postcopy: time to completion", True),
                ("idle, 64 MiB, postcopy: downtime", False),
                ("full push: median", True), ("full push: 99th", False),
                ("full push: no fault behind", True),
                ("crossed twice", True), ("rate to a plain copy's", False),
                ("at the source", False), ("at the destination", True)):
            with self.subTest(words):
                self.assertIs(goal_of(self.report, words)["reached"], reached)

    def test_a_page_that_crosses_twice_is_seen(self):
        runs = copy.deepcopy(RUNS)
        runs[-6 - 1]["summary"]["that came twice"] = 1.0
        self.assertFalse(goal_of(figures.make(measured(runs)),
                                 "twice")["reached"])

    def behind(self, *most):
        """The goal, for runs in which `pages` pushed pages came before a requested
        one."""
        runs = [fault(figures.FULL_PUSH, 3.0, 20.0,
                      **{"pushed pages before, at most": pages})
                for pages in most]
        return goal_of(figures.make(measured(runs)),
                       "ssh, full push: no fault behind")

    def test_no_fault_of_any_run_is_behind_more_than_a_batch(self):
        self.assertTrue(self.behind(1024.0, 30.0)["reached"])
        goal = self.behind(30.0, 1025.0, 30.0)
        self.assertEqual((goal["value"], goal["limit"], goal["reached"]),
                         (1025, 1024, False))

    def test_older_runs_do_not_tell_what_a_fault_is_behind(self):
        runs = copy.deepcopy(RUNS)
        for run in figures.of_part(runs, "fault"):
            del run["summary"]["pushed pages before, median"]
            del run["summary"]["pushed pages before, at most"]
        goal = goal_of(figures.make(measured(runs)), "no fault behind")
        self.assertIsNone(goal["reached"])

    def test_the_engines_faults_are_behind_a_batch_as_well(self):
        for most, reached in ((1024, True), (1025, False)):
            row = {**ENGINE[0], "mode": "faults", "behind_most": most}
            goal = goal_of(figures.make(measured([], [row])),
                           "engine, faults, 1024 MiB: no fault behind")
            self.assertIs(goal["reached"], reached)

    def test_what_was_given_up_is_no_figure(self):
        runs = [{"part": "move", "guest": "fast writer", "memory": 64,
                 "way": "stock xl", "given_up": 300}, RUNS[3]]
        report = figures.make(measured(runs, []))
        self.assertEqual(report["moves"][0]["given_up_s"], [300])
        self.assertIsNone(goal_of(report, "downtime")["reached"])

    def test_faults_of_what_was_given_up_do_not_count(self):
        runs = [fault("x", 4.0, 8.0), dict(fault("x", 0, 0), given_up=300)]
        row = figures.faults(runs)[0]
        self.assertEqual((row["runs"], row["median_ms"], row["given_up_s"]),
                         (1, 4.0, [300]))

    def test_waits_of_all_runs_add_up(self):
        runs = [fault("x", 1, 2, **{"below 0.512 ms": 3.0}),
                fault("x", 1, 2, **{"below 0.512 ms": 1.0,
                                    "below 16.384 ms": 2.0,
                                    "below 2.048 ms": 5.0})]
        self.assertEqual(list(figures.waits(runs).items()),
                         [("0.512", 4), ("2.048", 5), ("16.384", 2)])

    def test_nothing_measured_is_a_report_as_well(self):
        report = figures.make(measured([], []))
        self.assertEqual(report["ratios"], {})
        self.assertEqual([goal["reached"] for goal in report["goals"]],
                         [None])


class Change(unittest.TestCase):
    less, more = {"better": "less"}, {"better": "more"}

    def marks(self, before, now, **options):
        rows = change.changes({"ratios": before}, {"ratios": now}, **options)
        return {name: mark for name, _, _, mark in rows}

    def test_either_way_is_worse(self):
        self.assertEqual(self.marks(
            {"wait": {"value": 1.0, **self.less},
             "rate": {"value": 1.0, **self.more}},
            {"wait": {"value": 1.3, **self.less},
             "rate": {"value": 0.7, **self.more}}),
            {"wait": change.WORSE, "rate": change.WORSE})

    def test_either_way_is_better(self):
        self.assertEqual(self.marks(
            {"wait": {"value": 1.0, **self.less},
             "rate": {"value": 1.0, **self.more}},
            {"wait": {"value": 0.7, **self.less},
             "rate": {"value": 1.3, **self.more}}),
            {"wait": change.BETTER, "rate": change.BETTER})

    def test_noise_is_no_change(self):
        before = {"wait": {"value": 1.0, **self.less}}
        now = {"wait": {"value": 1.2, **self.less}}
        self.assertEqual(self.marks(before, now), {"wait": change.SAME})
        self.assertEqual(self.marks(before, now, tolerance=0.1),
                         {"wait": change.WORSE})

    def test_what_comes_and_goes_is_told(self):
        ratio = {"value": 1.0, **self.less}
        self.assertEqual(self.marks({"old": ratio}, {"young": ratio}),
                         {"old": change.GONE, "young": change.NEW})

    def test_what_was_not_asked_for_is_not_told(self):
        ratio = {"value": 1.0, **self.less}
        kept = change.as_far_as({"ratios": {"young": ratio, "both": ratio}},
                                {"format": 1, "ratios": {"old": ratio,
                                                         "both": ratio}})
        self.assertEqual(kept, {"format": 1, "ratios": {"both": ratio}})

    def test_from_nothing_to_something_is_worse(self):
        self.assertEqual(self.marks({"x": {"value": 0, **self.less}},
                                    {"x": {"value": 1, **self.less}}),
                         {"x": change.WORSE})

    def test_what_is_worse_stands_first(self):
        rows = [("a", 1, 1, change.SAME), ("b", 1, 2, change.WORSE)]
        self.assertRegex(change.table(rows)[2], r"^\| b .* WORSE \|$")
        self.assertEqual(change.verdict(rows), "1 worse, 1 as before.")

    def command(self, before, now):
        """What bench-change says of two reports, and its status."""
        with tempfile.TemporaryDirectory() as where, \
                contextlib.redirect_stdout(io.StringIO()) as said, \
                contextlib.redirect_stderr(said):
            paths = [pathlib.Path(where, name) for name in ("before", "now")]
            for path, report in zip(paths, (before, now)):
                path.write_text(json.dumps(report))
            with mock.patch.object(sys, "argv", ["", *map(str, paths)]):
                try:
                    status = change.main()
                except SystemExit as end:
                    status = end.code
        return said.getvalue(), status

    def test_the_command_ends_with_1_when_something_is_worse(self):
        before = figures.make(measured())
        self.assertEqual(self.command(before, before)[1], 0)
        runs = copy.deepcopy(RUNS)
        runs[7]["summary"]["median wait"] = 9.0
        text, status = self.command(before, figures.make(measured(runs)))
        self.assertEqual(status, 1)
        self.assertRegex(text, r"full push: median fault .* 1.5 \| 4.5 \| "
                               "WORSE")

    def test_another_file_is_no_report(self):
        text, status = self.command({"format": 0}, figures.make(measured()))
        self.assertEqual(status, 2)
        self.assertIn("no report of format", text)

    def test_the_kept_report_can_be_read(self):
        self.assertTrue(change.load(KEPT)["ratios"])


class Curves(unittest.TestCase):
    def test_the_stop_is_a_rate_of_nothing(self):
        run = move("fast writer", "postcopy", 1.0)
        self.assertAlmostEqual(page.stop_of(run), 1.0)
        points = dict(page.near_curve(run, 1.0))
        stopped = [rate for time, rate in points.items() if 0.1 < time < 0.9]
        self.assertGreater(len(stopped), 10)
        self.assertEqual(set(stopped), {0})
        before = [rate for time, rate in points.items() if time < -0.1]
        self.assertAlmostEqual(sum(before) / len(before), 100, delta=15)

    def test_nothing_of_the_work_is_lost(self):
        run = move("fast writer", "postcopy", 1.0)
        curve = page.whole_curve(run)
        width = curve[1][0] - curve[0][0]
        done = run["course"][-1][3] - run["course"][0][3]
        self.assertAlmostEqual(sum(rate for _, rate in curve) * width, done,
                               delta=25)

    def test_an_idle_guest_is_seen_by_its_heartbeats(self):
        run = move("idle", "postcopy", 1.0, work_is="heartbeats")
        self.assertEqual(page.steps_of(run)[4], (run["course"][4][0], 5))

    def test_work_is_told_apart_by_time(self):
        steps = [Step(*beat) for beat in course(1.0, 1.0, 6.0)]
        moved = measure.Figures(measure.POSTCOPY, 1.0, 4.0, 0, 0, {}, steps)
        rate = measure.work(moved, lambda step: step.pages)
        self.assertAlmostEqual(rate["before"], 100)
        self.assertAlmostEqual(rate["during"], 75, delta=4)
        self.assertAlmostEqual(rate["after"], 100)


class Running(unittest.TestCase):
    """Without hosts: which tasks are done, and what is left of them."""

    def setUp(self):
        self.done = []
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.to = pathlib.Path(directory.name)

    def task(self, name, too_long=False):
        def do():
            self.done.append(name)
            if too_long:
                raise measure.TookTooLong("it does")
            return [{"part": name}]

        return parts.Task(name, do, {"part": name, "given_up": 5})

    def run_bench(self, tasks, *options):
        with mock.patch.object(sys, "argv", [
                "bench", "--install", "x", "--to", str(self.to), "--repeat",
                "2", *options]):
            args = bench.parse_arguments()
        with mock.patch.object(bench, "Lab") as lab, \
                mock.patch.object(bench, "say"), \
                mock.patch.object(bench.Bench, "fresh_hosts") as fresh, \
                mock.patch.object(bench.Bench, "tasks", return_value=tasks):
            lab.return_value.status.return_value = {"accel": "tcg"}
            one = bench.Bench(args)
            one.measure()
            self.fresh = fresh.call_count
        return json.loads((self.to / "runs.json").read_text())["runs"]

    def test_tasks_are_done_in_turn(self):
        runs = self.run_bench([self.task("a"), self.task("b")])
        self.assertEqual(self.done, ["a", "b", "a", "b"])
        self.assertEqual([(run["task"], run["turn"]) for run in runs],
                         [("a", 0), ("b", 0), ("a", 1), ("b", 1)])

    def test_what_takes_too_long_costs_the_hosts_and_only_once(self):
        runs = self.run_bench([self.task("a", too_long=True), self.task("b")])
        self.assertEqual(self.done, ["a", "b", "b"])
        self.assertEqual(runs[0]["given_up"], 5)
        self.assertEqual(self.fresh, 2)

    def test_some_are_done_only_once(self):
        self.run_bench([self.task("a")._replace(once=True), self.task("b")])
        self.assertEqual(self.done, ["a", "b", "b"])

    def test_more_goes_on_where_a_run_was_stopped(self):
        self.run_bench([self.task("a")])
        runs = self.run_bench([self.task("a"), self.task("b")], "--more")
        self.assertEqual(self.done, ["a", "a", "b", "b"])
        self.assertEqual(len(runs), 4)


class Page(unittest.TestCase):
    def write(self, report, runs, kept=None):
        with tempfile.TemporaryDirectory() as where, \
                mock.patch("shutil.which", return_value=None):
            where = pathlib.Path(where)
            path = page.write(where, report, runs, kept, None)
            return path.read_text(), sorted(
                file.name for file in where.iterdir())

    def test_it_has_a_part_for_all_that_was_measured(self):
        text, files = self.write(figures.make(measured()), RUNS)
        for part in ("Goals", "64 MiB, idle", "64 MiB, fast writer",
                     "What the stop is made of", "What a fault costs",
                     "Evicting", "The engine"):
            self.assertIn(part, text)
        self.assertNotIn("Since the report that was kept", text)
        self.assertIn("| postcopy | 500 ms (400 to 800) | 0.08 |", text)
        self.assertIn("stop-fast-writer-64.gp", files)
        self.assertIn("faults-ssh-0.dat", files)

    def test_it_says_what_a_trace_costs(self):
        demand = {**ENGINE[0], "mode": "demand", "faults": 9,
                  "fault_median_us": 100, "trace": {
                      "ratio_median": 1.25, "ratio_seconds": 1.5,
                      "point_off_ns": 0.4, "point_on_ns": 50.0,
                      "shares": {"asked": 0.25, "heard": 0.75},
                      "p99_shares": {"asked": 0.5, "heard": 0.5}}}
        report = figures.make(measured(engine=ENGINE + [demand]))
        text, _ = self.write(report, RUNS)
        self.assertIn("1.25 times as long as without", text)
        self.assertIn("| heard | 75.0% | 50.0% |", text)
        self.assertEqual(report["ratios"][
            "engine, demand, 1024 MiB: median fault with a trace to one "
            "without"]["value"], 1.25)

    def test_it_has_the_difference_to_the_release(self):
        report = figures.make(measured())
        kept = copy.deepcopy(report)
        name = "fast writer, 64 MiB, postcopy: downtime to stock's"
        kept["ratios"][name]["value"] /= 2
        text, _ = self.write(report, RUNS, kept)
        self.assertRegex(text, rf"\| {name} \| 0.0417 \| 0.0833 \| WORSE \|")
        self.assertTrue(any("WORSE" in line
                            for line in page.summary(report, kept)))

    def test_it_says_what_was_given_up(self):
        runs = [{"part": "move", "guest": "fast writer", "memory": 64,
                 "way": "stock xl", "given_up": 300}]
        text, _ = self.write(figures.make(measured(runs, [])), runs)
        self.assertIn("| stock xl | - |", text)
        self.assertIn("stock xl: 1 of 1 given up after 300 s.", text)


def qemu_run(way, touch, mib_s, wait_us=None):
    return {"way": way, "touch": touch, "mib_s": mib_s,
            "stop_ms": None if way == "engine" else 7, "cpu_s_per_gib": 1.5,
            "requests": 5 if touch else 0, "wait_us": wait_us}


class BesideQemu(unittest.TestCase):
    def told(self):
        runs = [qemu_run("engine", False, 600), qemu_run("engine", False, 800),
                qemu_run("engine", False, 700),
                qemu_run("postcopy", False, 350),
                qemu_run("engine", True, 500, 40),
                qemu_run("postcopy", True, 250, 900)]
        return {"mib": 64, "qemu": "QEMU 7.2", "repeat": 1,
                "rows": bench_qemu.figures(runs)}

    def test_each_way_has_its_medians_and_its_ratio(self):
        text = "\n".join(page.qemu_page(self.told()))
        self.assertIn("| halts | the engine | 700 MiB/s | - | - | 1.50 |",
                      text)
        self.assertIn("| halts | QEMU, postcopy | 350 MiB/s | 2.00 | 7 ms |",
                      text)
        self.assertIn("250 MiB/s | 2.00 | 7 ms | - | 5 | 900 us, mean |", text)
        self.assertIn("40 us, median", text)

    def test_the_report_has_it_where_it_was_measured(self):
        report = figures.make({**measured(), "qemu": self.told()})
        with tempfile.TemporaryDirectory() as where:
            self.assertIn("## Beside QEMU", page.markdown(
                report, RUNS, None, page.Plots(pathlib.Path(where))))
        self.assertEqual(page.qemu_page(figures.make(measured())["qemu"]), [])

    def test_where_there_is_no_qemu_it_says_so(self):
        out = io.StringIO()
        with tempfile.TemporaryDirectory() as where, \
                contextlib.redirect_stdout(out), \
                mock.patch("shutil.which", return_value=None), \
                mock.patch("sys.argv", ["bench-qemu", "--engine", "none",
                                        "--to", where]):
            self.assertEqual(bench_qemu.main(), 0)
            self.assertEqual(list(pathlib.Path(where).iterdir()), [])
        self.assertIn("skipped: bench-qemu: no qemu-system-x86_64 here",
                      out.getvalue())


class Superpages(unittest.TestCase):
    def test_the_rate_is_by_the_guests_own_time(self):
        lines = ["(d1) jumps 1000 t=500000", "(d1) hb 7 t=600000 w=0 c=0 e=0",
                 "(d1) jumps 4000 t=1500000", "(d1) jumps 7000 t=2500000"]
        self.assertEqual(superpages.rate(
            re.search(superpages.JUMPS, line) for line in lines), 3000)
        self.assertEqual(superpages.rate([]), 0)
        self.assertEqual(superpages.rate(
            re.search(superpages.JUMPS, line) for line in lines[:2]), 0)

    def test_each_turn_is_compared_with_itself(self):
        def turn(big, small, joined):
            return {superpages.BIG: big, superpages.SMALL: small,
                    superpages.JOINED: joined}

        found = superpages.ratios([turn(100, 50, 90), turn(10, 4, 10),
                                   turn(20, 12, 16), turn(9, 0, 9)])
        self.assertEqual(list(found.values()), [0.5, 0.9])
        self.assertEqual(superpages.ratios([turn(9, 0, 9)]), {})


class Parts(unittest.TestCase):
    def test_the_probe_is_understood(self):
        text = ("time   populate, 64 at a time: 1.00 us/page (9 pages, 1 ms)\n"
                "ok     evicted, paged in, with the contents given\n"
                "time   evict, 1 at a time: 8.10 us/page (9 pages, 1.0 ms)\n"
                "time   page_in, 1 at a time: 9.20 us/page (9 pages, 1 ms)\n"
                "time   evict, 512 at a time: 0.80 us/page (9 pages, 1 ms)\n")
        self.assertEqual(parts.costs(text), [
            {"part": "eviction", "batch": 1, "evict_us": 8.1,
             "page_in_us": 9.2},
            {"part": "eviction", "batch": 512, "evict_us": 0.8}])

    def test_without_the_background_the_rest_comes_after_a_pass(self):
        guest, migration = mock.Mock(), mock.Mock(dest="b", source="a")
        parts.send_the_rest(guest, migration, 5)
        self.assertEqual([call[0] for call in guest.lab.mock_calls],
                         ["console.wait", "run"])
        guest.lab.console.wait.side_effect = parts.ConsoleTimeout("late")
        with self.assertRaises(measure.TookTooLong):
            parts.send_the_rest(guest, migration, 5)

    def test_the_fault_channel_is_measured_where_there_is_one(self):
        lab = mock.Mock()
        lab.run.return_value.stdout = "  --no-background"
        self.assertNotIn("fault channel", parts.hows(lab, "ssh"))
        lab.run.return_value.stdout = "  --fault-channel  ..."
        self.assertIn("fault channel", parts.hows(lab, "ssh"))
        self.assertNotIn("fault channel", parts.hows(lab, "tcp"))


if __name__ == "__main__":
    unittest.main()
