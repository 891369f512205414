#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the clients that load a database, and of what is made of what they saw:
with a store that loses, mixes up or breaks what it was given."""

import os
import pathlib
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "xen" / "lab"), str(HERE.parent / "system"),
                str(HERE)]

import curves       # noqa: E402
import database     # noqa: E402
import figures      # noqa: E402
import ledger       # noqa: E402
import loads        # noqa: E402
import page         # noqa: E402

KVLOAD = os.environ.get("KVLOAD", str(HERE.parents[2] / "build/kvload"))
LIMIT = 60          # seconds; a failure by itself
KEYS = 40
SIZE = 128


# ---- a store ----

class Store(socketserver.ThreadingTCPServer):
    """Speaks enough of Redis' protocol.  `fault` is a method's name of Faults, done
    to the write with this number of those that come one by one."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, fault=None, at=20):
        super().__init__(("127.0.0.1", 0), Connection)
        self.values = {}
        self.fault = fault
        self.at = at
        self.writes = 0
        self.requests = 0
        self.target = None
        self.reached = threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait_requests(self, count):
        """Until this many more have been answered."""
        with self.lock:
            self.target = self.requests + count
            self.reached.clear()
        assert self.reached.wait(LIMIT), "the client stands still"

    def count(self):
        self.requests += 1
        if self.target and self.requests >= self.target:
            self.reached.set()


class Dropped(Exception):
    """The connection ends without an answer."""


def value(key, version):
    piece = b"key %08d version %010d " % (key, version)
    return piece * (SIZE // len(piece))


class Faults:
    """What a store may do to a write of `name`, in place of doing it."""

    @staticmethod
    def lose(store, name, data):
        """Acknowledged, and not there."""

    @staticmethod
    def forget(store, name, data):
        """Acknowledged, and the key is gone."""
        del store.values[name]

    @staticmethod
    def misplace(store, name, data):
        """Another key's value, whole."""
        store.values[name] = value((int(name[4:]) + 1) % KEYS, 0)

    @staticmethod
    def tear(store, name, data):
        """Half of it is of the version before."""
        store.values[name] = data[:SIZE // 2] + store.values[name][SIZE // 2:]

    @staticmethod
    def run_ahead(store, name, data):
        """A version that was never written."""
        store.values[name] = value(int(name[4:]), int(data[21:31]) + 1)

    @staticmethod
    def shorten(store, name, data):
        store.values[name] = data[:-1]

    @staticmethod
    def drop_before(store, name, data):
        """Not done, and the connection is lost."""
        raise Dropped

    @staticmethod
    def drop_after(store, name, data):
        """Done, and the connection is lost before the answer."""
        store.values[name] = data
        raise Dropped


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while (head := self.rfile.readline()):
                self.wfile.write(self.answer(
                    [self.word() for _ in range(int(head[1:]))]))
                self.wfile.flush()
        except (Dropped, ConnectionError):
            pass

    def word(self):
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2]

    def answer(self, words):
        with self.server.lock:
            answer = getattr(self, words[0].decode().lower())(*words[1:])
            if words[0] != b"EVAL":
                self.server.count()
            return answer

    def eval(self, script, _, first, last, times):
        if b"'GET'" in script:
            return self.compare(int(first), int(last), times)
        assert b"redis.call('SET'" in script
        for key in range(int(first), int(last) + 1):
            self.server.values[b"key:%08d" % key] = value(key, 0)
        assert int(times) * 32 == SIZE
        return b"+OK\r\n"

    def compare(self, first, pieces, versions):
        assert pieces * 32 == SIZE
        for key, version in enumerate(map(int, versions.split()), first):
            if self.server.values.get(b"key:%08d" % key) != value(key, version):
                return b":%d\r\n" % key
        return b":-1\r\n"

    def get(self, name):
        found = self.server.values.get(name)
        return b"$-1\r\n" if found is None else \
            b"$%d\r\n%s\r\n" % (len(found), found)

    def set(self, name, data):
        self.server.writes += 1
        if self.server.fault and self.server.writes == self.server.at:
            getattr(Faults, self.server.fault)(self.server, name, data)
        else:
            self.server.values[name] = data
        return b"+OK\r\n"


class TestKvLoad(unittest.TestCase):
    def run_against(self, fault, requests=400, then=None, options=()):
        """(exit status, what kvload has said, its log)"""
        store = Store(fault)
        with tempfile.TemporaryDirectory() as place:
            log = pathlib.Path(place, "log")
            load = subprocess.Popen(
                [KVLOAD, "127.0.0.1", str(store.server_address[1]), str(log),
                 f"keys={KEYS}", f"size={SIZE}", *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                store.wait_requests(requests)
                if then:
                    then(store)
                said, _ = load.communicate("check\nend\n", timeout=LIMIT)
            finally:
                load.kill()
                load.wait()
                store.shutdown()
                store.server_close()
            return load.returncode, said, log.read_text()

    def assert_found(self, fault, what):
        status, said, _ = self.run_against(fault)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, rf"(?m)^WRONG {what} key=\d+ version=\d+ ")

    def test_a_store_that_is_right(self):
        status, said, log = self.run_against(None)
        self.assertEqual(status, 0, said)
        self.assertIn(f"filled {KEYS} keys\n", said)
        self.assertIn(f"checked {KEYS} keys, wrong 0\n", said)
        count = int(re.search(r"requests (\d+), wrong 0, connections 1$", said)[1])
        lines = [line.split() for line in log.splitlines()]
        self.assertEqual(len(lines), count)
        self.assertGreaterEqual(count, 400)
        stamps = [int(words[0]) for words in lines]
        self.assertEqual(stamps, sorted(stamps))
        self.assertEqual({words[2] for words in lines}, {"r", "w"})

    def test_a_lost_write(self):
        self.assert_found("lose", "lost")

    def test_a_key_that_is_gone(self):
        self.assert_found("forget", "lost")

    def test_another_keys_value(self):
        self.assert_found("misplace", "misplaced")

    def test_a_value_of_two_versions(self):
        self.assert_found("tear", "corrupt")

    def test_a_value_that_is_too_short(self):
        self.assert_found("shorten", "corrupt")

    def test_a_version_that_was_never_written(self):
        self.assert_found("run_ahead", "unwritten")

    def test_a_connection_lost_before_or_after_a_write(self):
        """Either is right, and the client goes on."""
        for fault in ("drop_before", "drop_after"):
            status, said, _ = self.run_against(fault)
            self.assertEqual(status, 0, said)
            self.assertRegex(said, "connections 2$")

    def test_a_key_that_only_the_last_check_reads(self):
        """The keys in use are few: only "check" reads the others."""
        def spoil(store):
            with store.lock:
                store.values[b"key:%08d" % (KEYS - 1)] = value(KEYS - 1, 7)

        status, said, _ = self.run_against(None, then=spoil, options=["hot=4"])
        self.assertEqual(status, 1, said)
        self.assertIn(f"WRONG unwritten key={KEYS - 1} version=0 ", said)
        self.assertIn("wrong 1\n", said)

    def test_only_reads_and_only_writes(self):
        for writes, kinds in (("writes=0", {"r"}), ("writes=100", {"w"})):
            _, _, log = self.run_against(None, options=[writes])
            self.assertEqual({line.split()[2] for line in log.splitlines()}, kinds)

    def test_options_that_make_no_sense(self):
        for option in ("size=100", "keys=0", "hot=99", "seed=0", "colour=3",
                       "keys=many", "keys="):
            done = subprocess.run(
                [KVLOAD, "127.0.0.1", "1", "/dev/null", f"keys={KEYS}", option],
                capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual(done.returncode, 1, option)
            self.assertTrue(done.stderr.startswith("kvload: "), done.stderr)


# ---- as the lab's hosts run it ----

class ThisMachine:
    """A lab whose hosts are all this machine."""

    patience = 1

    @staticmethod
    def run(_host, command, **_):
        words = command if isinstance(command, list) else ["sh", "-c", command]
        return subprocess.run(words, check=True, capture_output=True, text=True)

    @staticmethod
    def popen(_host, command, **options):
        return subprocess.Popen(["sh", "-c", command], **options)


class TestKvClient(unittest.TestCase):
    def client(self, store):
        """A client that was watched for 200 requests."""
        with tempfile.TemporaryDirectory() as place, mock.patch.multiple(
                database, ADDRESS="127.0.0.1", REDIS_PORT=store.server_address[1],
                KV_LOG=f"{place}/log"):
            client = database.KvClient(ThisMachine(), lambda name: KVLOAD, keys=KEYS,
                                       size=SIZE)
            client.start()
            store.wait_requests(200)
            client.finish()
        client.process.reader.join()
        client.process.process.stdin.close()
        client.process.process.stdout.close()
        store.shutdown()
        store.server_close()
        return client

    def test_its_requests_are_on_the_labs_clock(self):
        before = time.monotonic()
        client = self.client(Store())
        after = time.monotonic()
        client.assert_right()
        self.assertGreaterEqual(len(client.requests), 200)
        self.assertEqual(client.connections, 1)
        self.assertGreater(client.requests[0][0], before - 1)
        self.assertLess(client.requests[-1][0], after + 1)

    def test_a_wrong_answer_is_told(self):
        client = self.client(Store("lose"))
        self.assertRegex(client.wrong[0], "^WRONG lost ")
        with self.assertRaisesRegex(AssertionError, "WRONG lost"):
            client.assert_right()


class TestLoads(unittest.TestCase):
    def test_figures_are_of_the_time_that_was_watched(self):
        moved = loads.Moved(started=1000, total=4, left=1002, arrived=1003, end=1024,
                            summary={"precopy rounds": 1.0})
        requests = ([(time, 0.01) for time, _ in steady(900, 1002, 0.01)]
                    + [(time, 0.01) for time, _ in steady(1003, 1100, 0.01)])
        made = loads.figures(moved, requests, 3)
        self.assertEqual((made["total"], made["downtime"], made["errors"]), (4, 1, 3))
        self.assertAlmostEqual(made["requests"], 100 * (10 + 2 + 21), delta=3)
        self.assertAlmostEqual(made["gap_s"], 1.01, places=3)
        self.assertAlmostEqual(made["curve"][0][0], -10, delta=0.2)

    def test_the_values_leave_room_for_the_kernel(self):
        for memory in (160, 192, 512):
            octets = loads.keys_of(memory) * loads.VALUE
            self.assertLess(octets, (memory - loads.BESIDE_VALUES) << 20)
            self.assertGreater(octets, (memory - loads.BESIDE_VALUES) * 0.8 * (1 << 20))

    def test_each_load_moves_each_way(self):
        tasks = loads.loads(None, None, 192, 60)
        names = {task.name for task in tasks}
        self.assertEqual(len(names), len(loads.LOADS) * len(loads.WAYS))
        self.assertEqual(tasks[0].given_up, {
            "part": "load", "load": "redis, idle", "memory": 192, "way": "stock xl",
            "given_up": 60})


# ---- the ledger ----

class TestLedger(unittest.TestCase):
    COUNTS = {0: 5, 1: 3}

    def rows(self):
        return [(client, number, ledger.amount(client, number))
                for client, count in self.COUNTS.items()
                for number in range(1, count + 1)]

    def check(self, rows=None, sums=None, counts=None, **more):
        rows = self.rows() if rows is None else rows
        total = sum(row[2] for row in rows)
        text = "\n".join("|".join(map(str, row)) for row in rows)
        return ledger.check(counts or self.COUNTS, text,
                            sums or f"{total}|{total}|{total}|{total}|0\n", **more)

    def test_all_of_it_is_there(self):
        self.assertEqual(self.check(), [])

    def test_a_lost_transaction(self):
        rows = self.rows()
        del rows[2]
        self.assertEqual(self.check(rows), [
            "client 0: 1 of 5 acknowledged transactions are lost, the first is 3"])

    def test_the_last_one_lost(self):
        self.assertRegex(self.check(self.rows()[:-1])[0], "client 1: 1 of 3")

    def test_a_client_that_lost_all(self):
        self.assertRegex(self.check(self.rows()[:5])[0], "client 1: 3 of 3")

    def test_a_wrong_amount(self):
        rows = self.rows()
        rows[4] = (0, 5, rows[4][2] + 1)
        self.assertRegex(self.check(rows)[0], r"row 0\|5 has -?\d+ and not")

    def test_sums_that_differ(self):
        total = sum(row[2] for row in self.rows())
        for sums in (f"{total}|{total + 1}|{total}|{total}|0",
                     f"{total}|{total}|{total}|{total - 1}|0",
                     f"{total + 1}|{total}|{total}|{total}|0"):
            self.assertRegex(self.check(sums=sums)[0], "the sums differ")
        self.assertRegex(self.check(sums=f"{total}|{total}|{total}|{total}|1")[0],
                         "counters have 1 more")

    def test_a_transaction_of_which_no_client_knows_the_end(self):
        rows = self.rows() + [(1, 4, ledger.amount(1, 4))]
        self.assertRegex(self.check(rows)[0], "row 4 and only 3")
        self.assertEqual(self.check(rows, open_ones=1), [])

    def test_many_wrong_ones_are_told_in_short(self):
        rows = [(client, number, 1) for client, number, _ in self.rows()] * 3
        told = self.check(rows)
        self.assertEqual(len(told), ledger.MOST_TOLD + 1)
        self.assertRegex(told[-1], r"^and \d+ more$")

    def test_the_log_of_pgbench(self):
        log = "1 7 12500 0 1700000000 250000\n0 9 3000 0 1700000001 0\n"
        self.assertEqual(ledger.acknowledged(log), [
            (1, 1700000000.25, 0.0125), (0, 1700000001.0, 0.003)])


# ---- curves ----

def steady(first, last, every):
    count = round((last - first) / every)
    return [(first + number * every, every) for number in range(count)]


class TestCurves(unittest.TestCase):
    def requests(self):
        """A hundred a second; stopped from 2 to 3, then 80 a second until 5."""
        return (steady(-10, 2, 0.01) + [(3.0, 1.0)] + steady(3.0125, 5, 0.0125)
                + steady(5, 20, 0.01))

    def figures(self):
        return curves.figures(self.requests(), total=4, end=20, moved=3)

    def test_the_gap(self):
        self.assertAlmostEqual(self.figures()["gap_s"], 1.01)

    def test_what_was_lost(self):
        """One second of stop, and a fifth of two."""
        self.assertAlmostEqual(self.figures()["lost_s"], 1.4, delta=0.05)

    def test_how_long_it_was_slow(self):
        self.assertAlmostEqual(self.figures()["slow_s"], 1, delta=0.3)

    def test_rates(self):
        made = self.figures()
        self.assertAlmostEqual(made["rate"]["before"], 100, delta=1)
        self.assertAlmostEqual(made["rate"]["during"], (200 + 1 + 79) / 4, delta=1)
        self.assertAlmostEqual(made["settled_rate"], 100, delta=1)

    def test_percentiles(self):
        made = self.figures()
        self.assertAlmostEqual(made["median_ms"]["before"], 10)
        self.assertAlmostEqual(made["p99_ms"]["during"], 12.5)
        self.assertIsNone(curves.percentile([], 0.5))
        self.assertEqual(curves.percentile(range(100), 0.99), 99)
        self.assertEqual(curves.percentile([3, 1, 2], 0.5), 2)

    def test_the_curve(self):
        points = {point[0]: point for point in self.figures()["curve"]}
        self.assertEqual(points[2.375][1:], [0, None, None, None])
        self.assertAlmostEqual(points[3.125][4], 1000)
        self.assertAlmostEqual(points[10.125][1], 100, delta=4)

    def test_a_rate_that_differs_between_hosts_loses_nothing(self):
        requests = steady(-10, 2, 0.01) + steady(2, 20, 0.02)
        made = curves.figures(requests, total=4, end=20, moved=2)
        self.assertAlmostEqual(made["lost_s"], 0, delta=0.1)
        made = curves.figures(requests, total=4, end=20, moved=20)
        self.assertGreater(made["lost_s"], 8)

    def test_signs_of_life(self):
        self.assertEqual(curves.gaps_as_requests([1, 2, 4]), [(2, 1), (4, 2)])


# ---- the report ----

def load_run(way, stop, errors=0, twice=0):
    """Stopped from 1 on, for `stop` seconds."""
    requests = steady(-10, 1, 0.01) + steady(1 + stop, 25, 0.01)
    return {"part": "load", "load": "redis, jumping", "memory": 160, "way": way,
            "total": 5.0, "downtime": stop, "errors": errors,
            "summary": {} if way == figures.STOCK else
            {"precopy rounds": 0.0, "that came twice": twice},
            **curves.figures(requests, 5.0, 25, 1 + stop)}


class TestReport(unittest.TestCase):
    def make(self, *runs):
        return figures.make({"about": {}, "runs": list(runs), "engine": []})

    def test_a_row_for_each_way(self):
        report = self.make(load_run(figures.STOCK, 4.0), load_run("postcopy", 0.9),
                           load_run("postcopy", 1.1), load_run("postcopy", 1.0))
        stock, ours = report["loads"]
        self.assertEqual((stock["runs"], ours["runs"]), (1, 3))
        self.assertAlmostEqual(ours["gap_s"]["median"], 1.01, places=3)
        self.assertAlmostEqual(ours["gap_s"]["most"], 1.11, places=3)
        self.assertAlmostEqual(ours["lost_s"]["median"], 1, delta=0.05)
        name = "redis, jumping, 160 MiB, postcopy: longest gap to stock's"
        self.assertAlmostEqual(report["ratios"][name]["value"], 1.01 / 4.01, places=3)

    def test_a_wrong_answer_counts(self):
        report = self.make(load_run("postcopy", 1.0), load_run("postcopy", 1.0, 2))
        self.assertEqual(report["loads"][0]["errors"], 2)

    def test_a_page_that_came_twice_counts(self):
        for twice in (0, 1):
            goals = {goal["what"]: goal["reached"] for goal in self.make(
                load_run("postcopy", 1.0, twice=twice))["goals"]}
            self.assertIs(goals["pages that crossed twice"], twice == 0)

    def test_what_was_given_up_is_no_figure(self):
        given_up = {"part": "load", "load": "redis, jumping", "memory": 160,
                    "way": figures.STOCK, "given_up": 300}
        report = self.make(given_up, load_run("auto", 1.0))
        self.assertEqual(report["loads"][0]["given_up_s"], [300])
        self.assertEqual(report["ratios"], {})

    def test_the_page_has_a_table_and_two_plots(self):
        runs = [load_run(figures.STOCK, 4.0), load_run("auto", 1.0)]
        with tempfile.TemporaryDirectory() as place:
            plots = page.Plots(pathlib.Path(place))
            plots.gnuplot = None
            text = "\n".join(page.load_pages(self.make(*runs), runs, plots))
            drawn = sorted(file.name for file in pathlib.Path(place).glob("*.gp"))
        self.assertIn("## redis, jumping, 160 MiB\n", text)
        self.assertRegex(text, r"(?m)^\| stock xl \| 4\.0 s \| 4\.0 s \| 5\.0 s \| ")
        self.assertEqual(drawn, ["load-rate-redis--jumping-160.gp",
                                 "load-wait-redis--jumping-160.gp"])


if __name__ == "__main__":
    unittest.main()
