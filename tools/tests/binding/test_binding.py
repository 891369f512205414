# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/examples/live_migrate.py over fake hosts: a binding finds all that it needs
in the header, and moves guests. $FAKE_LIBRARY is what `make check-unit` builds."""

import ctypes
import importlib.util
import os
import pathlib
import re
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
LIGHT = TOP / "tools/libs/light"
HEADER = LIGHT / "libxl_live_migrate.h"
ENDS = 2
ERROR_ABORTED = -22

spec = importlib.util.spec_from_file_location(
    "live_migrate", TOP / "docs/examples/live_migrate.py")
live_migrate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_migrate)


def load():
    path = os.environ.get("FAKE_LIBRARY")
    if not path:
        raise unittest.SkipTest("no FAKE_LIBRARY: run by make check-unit")
    library = live_migrate.Library(path, live_migrate.read_header(HEADER))
    for name in ("fake_pair_new", "fake_pair_ctx", "fake_pair_logger"):
        getattr(library.c, name).restype = ctypes.c_void_p
    return library


class Pair:
    """Two fake hosts and a guest at the first."""

    def __init__(self, library, name, against=None):
        self.c = library.c
        self.name = name
        self.pair = ctypes.c_void_p(self.c.fake_pair_new(
            name.encode(), against.pair if against else None))
        self.hosts = [
            live_migrate.Host(
                library, ctypes.c_void_p(self.c.fake_pair_ctx(self.pair, end)),
                ctypes.c_void_p(self.c.fake_pair_logger(self.pair, end)))
            for end in range(ENDS)]

    def fd(self, end):
        return self.c.fake_pair_fd(self.pair, end)

    def hang_up(self, end):
        self.c.fake_pair_hang_up(self.pair, end)

    def start(self):
        """Both ends under way."""
        config = self.hosts[0].read_config(self.hosts[0].domid(self.name))
        name, config = live_migrate.incoming(config)
        return (self.hosts[0].send(self.hosts[0].domid(name), self.fd(0)),
                self.hosts[1].receive(config, self.fd(1), final_name=name))

    def free(self):
        self.c.fake_pair_free(self.pair)


class BindingTest(unittest.TestCase):
    def setUp(self):
        self.library = load()
        self.pairs = []

    def tearDown(self):
        for pair in reversed(self.pairs):
            pair.free()

    def pair(self, name, against=None):
        self.pairs.append(Pair(self.library, name, against))
        return self.pairs[-1]

    def finish(self, pair, sending, receiving):
        for end, migration in enumerate((sending, receiving)):
            result = migration.wait()
            pair.hang_up(end)
            self.assertEqual(self.library.name("phase", result.phase), "complete")
            self.assertTrue(migration.moved)
            self.assertEqual(migration.phases[-1], "complete")
            self.assertIn("go", migration.phases)
        self.check_memory(pair, "moved")
        host = pair.hosts[1]
        self.assertEqual(host.domid(pair.name), receiving.domid)
        stats = sending.result.stats
        self.assertGreater(stats.postcopy_pages, 0)
        self.assertEqual(stats.requested_pages + stats.pushed_pages,
                         stats.postcopy_pages)
        self.assertEqual(
            [(status["name"], status["role"], status["state"])
             for status in self.library.list()
             if status["domid"] == sending.domid],
            [(pair.name, "source", "complete")])
        pair.hosts[0].destroy(sending.domid)

    def check_memory(self, pair, how):
        getattr(self.library.c, f"fake_pair_check_{how}")(pair.pair)

    def test_structures_are_the_compilers(self):
        sizes = re.findall(r"sizeof\(libxl_live_migrate_(\w+)\) == (\d+)",
                           (LIGHT / "common" / "common.c").read_text(encoding="utf-8"))
        self.assertGreater(len(sizes), 6)
        for name, size in sizes:
            self.assertEqual(ctypes.sizeof(self.library.header.make(name)),
                             int(size), name)

    def test_names_there_and_back(self):
        self.assertGreater(len(self.library.header.enumerations), 8)
        for enumeration, values in self.library.header.enumerations.items():
            for value in values:
                name = self.library.name(enumeration, value)
                self.assertEqual(name, value.name.lower().replace("_", "-"))
                self.assertIs(self.library.value(enumeration, name), value)
        self.assertIsNone(self.library.name("state", 77))
        with self.assertRaisesRegex(ValueError, "no strategy is called"):
            self.library.value("strategy", "teleport")

    def test_two_guests_change_places(self):
        there = self.pair("there")
        back = self.pair("back", against=there)
        under_way = [pair.start() for pair in (there, back)]
        for pair, (sending, receiving) in zip((there, back), under_way):
            self.finish(pair, sending, receiving)

    def test_given_up(self):
        pair = self.pair("stays")
        sending = pair.hosts[0].send(pair.hosts[0].domid("stays"), pair.fd(0))
        sending.abort()
        with self.assertRaises(live_migrate.Error) as caught:
            sending.wait()
        self.assertEqual(caught.exception.rc, ERROR_ABORTED)
        self.assertTrue(caught.exception.reason)
        self.assertFalse(sending.moved)
        self.check_memory(pair, "stayed")

    def test_no_migration_is_listed(self):
        self.pair("guest")
        self.assertEqual(self.library.list(), [])

    def test_refused_before_it_begins(self):
        pair = self.pair("guest")
        with self.assertRaises(live_migrate.Error) as caught:
            pair.hosts[0].config_of("no JSON")
        self.assertIn("configuration", caught.exception.reason)
        with self.assertRaisesRegex(TypeError, "no_such"):
            pair.hosts[0].send(99, pair.fd(0), no_such=1)

    def test_can_receive(self):
        pair = self.pair("guest")
        host = pair.hosts[1]
        config = pair.hosts[0].read_config(pair.hosts[0].domid("guest"))
        self.assertEqual(self.library.name(
            "obstacle", host.can_receive(config).obstacle), "none")
        self.library.c.fake_pair_no_paging(pair.pair)
        readiness = host.can_receive()
        self.assertEqual(self.library.name("obstacle", readiness.obstacle),
                         "paging")
        self.assertIn(b"CONFIG_MEM_PAGING", readiness.reason)


if __name__ == "__main__":
    unittest.main()
