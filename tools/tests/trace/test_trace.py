# SPDX-License-Identifier: LGPL-2.1-or-later
"""xl-migrate-trace, over traces that the library has written in migrations of fake
guests ($FAKE_LIBRARY and $KEEP_TRACES are what `make check-unit` makes), and over files
that are no traces."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
NO_NEIGHBOURS = (1 << 32) - 1
# All but a few pages come on request.
ON_DEMAND = {"no_background_push": True, "neighbours_below": NO_NEIGHBOURS,
             "neighbours_above": NO_NEIGHBOURS, "hot_pages_max": 4}


def load(name, path):
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module
    loader.exec_module(module)
    return module


trace = load("xl_migrate_trace", TOP / "tools/trace/xl-migrate-trace")
binding = load("test_binding", TOP / "tools/tests/binding/test_binding.py")
POINTS = [name for name, _, _ in trace.FAULT]

HEAD = """xl-migrate-trace 1
role source
id 00112233445566778899aabbccddeeff
began 1 2
lost 0
"""
GOOD = HEAD + "5 suspending\n9 stopped\n11 heard 0x5 1\nend 3\n"


def run(*words):
    """(exit status, stdout, stderr)"""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = trace.main([str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


class Directory(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.path = self.directory / "move"

    def tearDown(self):
        shutil.rmtree(self.directory)


class WholeMigrationTest(Directory):
    """Two fake hosts of one clock, and the library's own threads."""

    def move(self, **params):
        library = binding.load()
        pair = binding.Pair(library, "guest")
        name, config = binding.live_migrate.incoming(
            pair.hosts[0].read_config(pair.hosts[0].domid("guest")))
        receiving = pair.hosts[1].receive(config, pair.fd(1), final_name=name,
                                          trace=f"{self.path}.destination")
        sending = pair.hosts[0].send(pair.hosts[0].domid(name), pair.fd(0),
                                     trace=f"{self.path}.source", **params)
        for end, migration in enumerate((sending, receiving)):
            migration.wait()
            pair.hang_up(end)
        library.c.fake_pair_check_moved(pair.pair)
        pair.free()
        return sending.result.stats

    def joined(self):
        return trace.Joined(trace.read_all([str(self.path)], None))

    def test_each_fault_has_every_point_in_order(self):
        stats = self.move(**ON_DEMAND)
        joined = self.joined()
        self.assertTrue(joined.clock.joined)
        self.assertGreaterEqual(joined.clock.error, 0)
        self.assertGreater(stats.faults, 100)
        self.assertEqual(stats.pushed_pages, 0)
        self.assertEqual(len(joined.faults), stats.requested_pages)
        for fault in joined.faults:
            times = [fault.times.get(name) for name in POINTS]
            self.assertNotIn(None, times, hex(fault.pfn))
            self.assertEqual(times, sorted(times), hex(fault.pfn))
            self.assertEqual(sum(took for _, _, took in fault.parts()), fault.took)

    def test_the_stop_has_every_point_in_order(self):
        self.move()
        joined = self.joined()
        for points in (trace.STOP, trace.END):
            times = [joined.mark(name) for name, _, _ in points]
            self.assertNotIn(None, times)
        # One end's alone: the other may be ahead while a record is under way.
        for end in "SD":
            times = [joined.mark(name) for name, side, _ in
                     trace.STOP + trace.END if side == end]
            self.assertEqual(times, sorted(times))

    def test_what_was_on_its_way_is_told_apart(self):
        self.move()
        for fault in self.joined().faults:
            times = fault.times
            self.assertLessEqual(times["seen"], times["answered"])
            if not fault.whole:
                self.assertNotIn("chosen", times)

    def test_the_report(self):
        self.move(**ON_DEMAND)
        status, out, err = run(self.path)
        self.assertEqual((status, err), (0, ""))
        for what in ("The stop: ", "Faults: ", "The 99th percentile comes from: ",
                     "The slowest ", "joined to within "):
            self.assertIn(what, out)
        status, out, _ = run(self.path, "--json", "--slowest", 3)
        found = json.loads(out)
        self.assertEqual(len(found["slowest"]), 3)
        self.assertAlmostEqual(sum(found["shares"].values()), 1)
        self.assertGreaterEqual(found["p99_ms"], found["median_ms"])
        pfn = hex(found["slowest"][0]["pfn"])
        status, out, _ = run(self.path, "--pfn", pfn)
        self.assertEqual(status, 0)
        self.assertIn(f"The fault on page {pfn}: ", out)
        for name in ("seen", "answered"):
            self.assertIn(name, out)

    def test_one_end_alone(self):
        self.move(**ON_DEMAND)
        os.remove(f"{self.path}.source")
        status, out, _ = run(self.path)
        self.assertEqual(status, 0)
        self.assertIn("Of one end alone", out)
        self.assertIn("Faults: ", out)

    def test_a_path_that_does_not_do(self):
        library = binding.load()
        pair = binding.Pair(library, "guest")
        with self.assertRaises(binding.live_migrate.Error) as caught:
            pair.hosts[0].send(pair.hosts[0].domid("guest"), pair.fd(0),
                               trace="/nowhere/trace")
        self.assertIn("/nowhere/trace: No such file", caught.exception.reason)
        library.c.fake_pair_check_stayed(pair.pair)
        pair.free()


class RecoveryTest(unittest.TestCase):
    def test_what_a_recovery_was_spent_on(self):
        where = os.environ.get("KEEP_TRACES")
        if not where:
            self.skipTest("no KEEP_TRACES: run by make check-unit")
        base = f"{where}/recovered"
        joined = trace.Joined(trace.read_all(
            [base, base + ".source.again"], None))
        self.assertTrue(joined.clock.joined)
        parts = joined.recoveries()
        self.assertEqual([[name for name, _, _ in one] for one in parts],
                         [[name for name, _, _ in trace.RECOVERY[1:]]])
        _, out, _ = run(base, base + ".source.again")
        self.assertIn("The connection was lost: ", out)


class FileTest(Directory):
    """Whatever the file holds, the program prints a line about it, and no more."""

    def refused(self, text, what):
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        status, out, err = run(self.path)
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err.count("\n"), 1)
        self.assertRegex(err, f"^xl-migrate-trace: .*{what}")

    def test_a_good_one(self):
        self.path.write_text(GOOD)
        self.assertEqual(run(self.path)[0], 0)

    def test_cut_anywhere(self):
        for length in range(len(GOOD)):
            self.refused(GOOD[:length], "it has no end")

    def test_lines_that_are_none(self):
        for line, what in (
                ("x stopped", "the time is no number"),
                ("-5 stopped", "the time is no number"),
                ("5 jumped", "there is no point called 'jumped'"),
                ("5 asked 0x5", "asked is not a point of the source"),
                ("5 heard", "the pfn is no number"),
                ("5 heard 99999999999999999999", "the pfn is too large"),
                ("5 heard 0x5 many", "the value is no number"),
                ("5", "that is no event"),
                ("5 heard 0x5 1 1", "that is no event"),
                ("5 heard 0x5 " + "1" * 300, "too long|no end")):
            self.refused(f"{HEAD}{line}\nend 1\n", f"line 6: .*({what})")

    def test_heads_that_are_none(self):
        for old, new, what in (
                ("trace 1", "trace 2", "no trace of this version"),
                ("source", "middle", "no end called 'middle'"),
                ("0011", "00zz", "its id is none"),
                ("lost 0", "lost some", "what was lost is no number"),
                ("began", "ended", "there should be its began")):
            self.refused(GOOD.replace(old, new), what)

    def test_what_is_missing_or_too_much(self):
        self.refused(GOOD.replace("end 3", "end 4"), "events are missing")
        self.refused(GOOD + "more\n", "more behind its end")
        self.refused(b"\xff\x00\x1b[2J\n" * 9, "no trace of this version")
        self.refused(b"\0" * 100000, "no trace|too long|no end")

    def test_nothing_of_the_terminal_s_gets_through(self):
        self.path.write_bytes(HEAD.encode() + b"5 \x1b[2Jred\nend 1\n")
        self.assertNotIn("\x1b", run(self.path)[2])

    def test_files_that_are_not_there(self):
        status, _, err = run(self.path)
        self.assertEqual(status, 1)
        self.assertIn("there is no such file", err)

    def test_of_different_migrations(self):
        self.path.write_text(GOOD)
        other = self.directory / "other"
        other.write_text(GOOD.replace("id 00", "id 11"))
        self.assertIn("different migrations", run(self.path, other)[2])

    def test_of_none(self):
        self.path.write_text(HEAD.replace("source", "none") + "end 0\n")
        self.assertIn("no migration began", run(self.path)[2])

    def test_a_page_that_nobody_asked_for(self):
        self.path.write_text(GOOD)
        self.assertIn("page 0x77 is not in there",
                      run(self.path, "--pfn", "0x77")[2])
        self.assertIn("the pfn is no number", run(self.path, "--pfn", "here")[2])


class ClockTest(Directory):
    def test_the_middle_of_the_shortest_round_trip(self):
        """The destination's clock is 1000 ahead; 10 there and 30 back."""
        identity = re.search("id .*", GOOD).group(0)
        source = [(110, "heard 0x1 1"), (112, "chosen 0x1 0"), (115, "sent 0x1 0")]
        there = [(1095, "seen 0x1 0"), (1100, "asked 0x1"), (1145, "arrived 0x1"),
                 (1150, "answered 0x1")]
        for role, events in (("source", source), ("destination", there)):
            lines = "".join(f"{time} {text}\n" for time, text in events)
            pathlib.Path(f"{self.path}.{role}").write_text(
                f"xl-migrate-trace 1\nrole {role}\n{identity}\nbegan 0 0\n"
                f"lost 0\n{lines}end {len(events)}\n")
        joined = trace.Joined(trace.read_all([str(self.path)], None))
        self.assertEqual(joined.clock.ahead, 1010)
        self.assertEqual(joined.clock.error, 20)
        fault, = joined.faults
        self.assertEqual([took for _, _, took in fault.parts()],
                         [5, 20, 2, 3, 20, 5])


class ListTest(unittest.TestCase):
    def test_the_points_are_the_library_s(self):
        text = (TOP / "tools/libs/guest/trace_points.def").read_text()
        rows = re.findall(r"^POINT\((\w+), (PAGE|MARK)\)", text, re.M)
        self.assertEqual([name for name, _ in rows], list(trace.SIDES))
        self.assertEqual({name for name, kind in rows if kind == "PAGE"},
                         trace.PAGES)


if __name__ == "__main__":
    unittest.main()
