#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the lab itself: `test_lab.py` for those that need no image, with
--hosts also those that bring hosts up (about a minute once there is one)."""

import gzip
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from xenlab import (CommandFailed, Console, ConsoleTimeout, Lab, LabError,
                    open_lab)
from xenlab.bochs import RUNNER
from xenlab import boots, config, database, hypervisor, image, qemu
from xenlab.lab import SUPERVISOR

WITH_HOSTS = "--hosts" in sys.argv


def temporary():
    return tempfile.TemporaryDirectory(prefix="xen-lab-test-")


class ImageParts(unittest.TestCase):
    def test_modules_come_after_what_they_need(self):
        text = ("kernel/a-b.ko: kernel/c.ko kernel/d.ko\n"
                "kernel/c.ko: kernel/d.ko\nkernel/d.ko:\nkernel/e.ko:\n")
        self.assertEqual(image.module_order(text, ("a_b", "builtin")),
                         ["kernel/d.ko", "kernel/c.ko", "kernel/a-b.ko"])

    def test_busybox_reads_our_cpio(self):
        cpio = image.Cpio()
        cpio.file("one/two/three", b"hello", 0o755)
        cpio.file("one/empty", b"")
        with temporary() as where:
            subprocess.run(["busybox", "cpio", "-i", "-d"], cwd=where,
                           input=cpio.finish(), check=True,
                           stderr=subprocess.DEVNULL)
            three = pathlib.Path(where, "one/two/three")
            self.assertEqual(three.read_bytes(), b"hello")
            self.assertEqual(three.stat().st_mode & 0o777, 0o755)
            self.assertEqual(pathlib.Path(where, "one/empty").read_bytes(),
                             b"")


class DatabaseGuest(unittest.TestCase):
    """Its parts of the disk that hosts share."""

    def made(self, where, root, data=b"data"):
        pathlib.Path(where, "root.squashfs").write_bytes(root)
        pathlib.Path(where, "data.img").write_bytes(data)
        disk = pathlib.Path(where, "disk")
        disk.write_bytes(b"")
        database.write_disk(pathlib.Path(where), disk)
        return disk.read_bytes()

    def test_both_parts_are_where_the_partition_table_says(self):
        root = b"root" * (database.MIB // 4) + b"end"
        with temporary() as where:
            disk = self.made(where, root)
        self.assertEqual(disk[510:512], b"\x55\xaa")
        parts = [struct.unpack_from("<4xB3xII", disk, 446 + 16 * number)
                 for number in range(4)]
        self.assertEqual([kind for kind, _, _ in parts], [0x83, 0x83, 0, 0])
        (_, first, size), (_, second, data_size) = parts[:2]
        self.assertEqual((size, data_size), (2 * 2048, database.DATA_SIZE * 2048))
        self.assertGreaterEqual(second, first + size)
        self.assertEqual(disk[512 * first:][:len(root)], root)
        self.assertEqual(disk[512 * second:], b"data")

    def test_a_library_has_a_name_and_never_a_path(self):
        listed = ("\tlinux-vdso.so.1 (0x00007ffe1c5d2000)\n"
                  "\tlibpq.so.5 => /root/usr/lib/libpq.so.5 (0x00007f18b1400000)\n"
                  "\t/lib64/ld-linux-x86-64.so.2 => /root/ld.so (0x00007f18b1600000)\n")
        self.assertEqual(database.libraries_of(listed),
                         [("libpq.so.5", "/root/usr/lib/libpq.so.5")])
        with self.assertRaisesRegex(LabError, "libgone"):
            database.libraries_of(listed + "\tlibgone.so.1 => not found\n")

    def test_a_root_that_is_too_large_is_refused(self):
        with temporary() as where, self.assertRaisesRegex(LabError, "needs 258 MiB"):
            self.made(where, bytes(137 * database.MIB))


class InBochs(unittest.TestCase):
    def test_what_hosts_run_in_is_a_choice(self):
        for name, hosts in (("", ("a", "b")), ("qemu", ("a", "b")),
                            ("bochs", ("a",))):
            with temporary() as where, unittest.mock.patch.dict(
                    os.environ, XEN_LAB_ACCEL=name):
                self.assertEqual(open_lab(where).hosts, hosts)
        with unittest.mock.patch.dict(os.environ, XEN_LAB_ACCEL="vax"), \
                self.assertRaisesRegex(LabError, "qemu, bochs"):
            open_lab()

    def test_disks_are_whole_cylinders_and_keep_what_they_have(self):
        with temporary() as where:
            disk = pathlib.Path(where, "disk")
            for size, padded in ((1, 516096), (516096, 516096),
                                 (516097, 1032192)):
                disk.write_bytes(b"x" * size)
                image.pad(disk)
                self.assertEqual(disk.read_bytes(),
                                 b"x" * size + bytes(padded - size))

    def test_the_console_is_handed_on_and_nothing_outlives_its_parent(self):
        """With a shell in the place of Bochs."""
        with temporary() as where:
            fake = pathlib.Path(where, "bochs-bin")
            fake.write_text(
                "#!/bin/bash\n"
                'exec 3<> "/dev/tcp/127.0.0.1/${!###*:}"\n'
                "echo $$ >&3; tty >&3; exec sleep 100\n")
            fake.chmod(0o755)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(f"{where}/console")
                sock.listen()
                runner = subprocess.Popen(
                    [sys.executable, str(RUNNER), "console"], cwd=where,
                    env={**os.environ, "PATH": f"{where}:{os.environ['PATH']}"})
                self.addCleanup(runner.wait)
                with sock.accept()[0] as console, console.makefile() as lines:
                    child = os.pidfd_open(int(lines.readline()))
                    self.addCleanup(os.close, child)
                    self.assertRegex(lines.readline(), "^/dev/pts/")
                    runner.kill()
                    self.assertTrue(ended(child))


class Suite(unittest.TestCase):
    def setUp(self):
        directory = temporary()
        self.addCleanup(directory.cleanup)
        self.where = pathlib.Path(directory.name)

    def choose(self, **variables):
        patch = unittest.mock.patch.dict(os.environ, variables)
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_list_names_what_is_of_one_suite_only(self):
        (self.where / "list").write_text(
            "# of all\none\ntwo [bullseye]\n"
            "three [bookworm,trixie] # and why\n")
        for suite, other in (("bullseye", "two"), ("bookworm", "three"),
                             ("trixie", "three")):
            self.assertEqual(config.read_list(self.where / "list", suite),
                             ["one", other])

    def test_guests_get_the_kernels_of_all_suites_that_can_be_had(self):
        for label, suite, others in (
                ("Debian", "bullseye", ("bookworm", "trixie")),
                ("Debian", "bookworm", ("bullseye", "trixie")),
                ("Debian", "trixie", ("bullseye", "bookworm")),
                (None, "bullseye", ("bookworm", "trixie")),
                (None, "bookworm", ("trixie",)),
                (None, "trixie", ("bookworm",))):
            with unittest.mock.patch.object(image, "release_label",
                                            return_value=label):
                self.assertEqual(image.guest_suites(suite, "uri"), others)

    def test_hosts_are_of_one_suite_or_of_two(self):
        for given, of_b in (("trixie", "trixie"), ("trixie,bullseye", "bullseye")):
            self.choose(XEN_LAB_SUITE=given)
            self.assertEqual(config.suite(), "trixie")
            self.assertEqual(config.suite("b"), of_b)

    def test_a_suite_without_hosts_is_refused(self):
        for suite in "buster", "trixie,buster", "trixie,trixie,trixie":
            self.choose(XEN_LAB_SUITE=suite)
            with self.assertRaisesRegex(LabError, "bullseye, bookworm"):
                config.suite()

    def test_the_named_hypervisor_is_booted(self):
        self.choose(XEN_LAB_CACHE=str(self.where / "cache"))
        named = self.where / "another.gz"
        named.write_bytes(gzip.compress(b"\x7fELF and so on"))
        self.choose(XEN_LAB_HYPERVISOR=str(named))
        self.choose(XEN_LAB_SUITE="bookworm")
        found = boots.own("a")
        self.assertEqual(found.read_bytes(), b"\x7fELF and so on")
        argv = qemu.command("a", self.where, found, 1024, 384)
        self.assertEqual(argv[argv.index("-kernel") + 1], str(found))

    def test_the_packaged_hypervisor_is_booted(self):
        for suite, named in (("bullseye", ""), ("bullseye", "packaged"),
                             ("bookworm", "packaged")):
            self.choose(XEN_LAB_SUITE=suite, XEN_LAB_HYPERVISOR=named)
            self.assertIsNone(boots.own("a"))

    def test_each_host_has_its_own(self):
        named = self.where / "another"
        named.write_bytes(b"\x7fELF")
        self.choose(XEN_LAB_SUITE="bullseye", XEN_LAB_HYPERVISOR=f",{named}",
                    XEN_LAB_CACHE=str(self.where / "cache"))
        self.assertIsNone(boots.own("a"))
        self.assertEqual(boots.own("b").read_bytes(), b"\x7fELF")

    def test_a_file_that_is_no_hypervisor_is_refused(self):
        named = self.where / "text"
        self.choose(XEN_LAB_HYPERVISOR=str(named),
                    XEN_LAB_CACHE=str(self.where / "cache"))
        with self.assertRaisesRegex(LabError, "No such file"):
            boots.own("a")
        for octets in (b"hello", gzip.compress(b"hello"),
                       gzip.compress(b"hello")[:-4]):
            named.write_bytes(octets)
            with self.assertRaisesRegex(LabError, "XEN_LAB_HYPERVISOR"):
                boots.own("a")


class FakeApt:
    """A repository that offers versions and has some of them."""

    pockets = {}

    def __init__(self, _directory, pocket):
        self.offers, self.has = self.pockets[pocket]

    def versions(self):
        return self.offers

    def source(self, version, work):
        return work / version if version in self.has else None


class FakeBuilder:
    """A Kconfig of which some options show up only with others, and some
    cannot be switched off."""

    source = None
    known = {"HVM": None, "EXPERT": None, "UNSUPPORTED": None,
             "MEM_PAGING": "UNSUPPORTED", "TBOOT": "UNSUPPORTED",
             "ONE_OF_MANY": "EXPERT"}

    def make(self, target):
        assert target == "olddefconfig"
        file = self.source / "xen/.config"
        text = file.read_text()
        on = {name for name in self.known if f"CONFIG_{name}=y\n" in text}
        off = {name for name in self.known
               if f"# CONFIG_{name} is not set\n" in text}
        on |= {"HVM"}
        on |= {name for name in ("TBOOT", "ONE_OF_MANY")
               if self.known[name] in on and name not in off}
        if "EXPERT" in on:
            on.add("ONE_OF_MANY")
        file.write_text("".join(f"CONFIG_{name}=y\n" for name in sorted(on)))


class Hypervisor(unittest.TestCase):
    def setUp(self):
        directory = temporary()
        self.addCleanup(directory.cleanup)
        self.where = pathlib.Path(directory.name)

    def fetch(self, **pockets):
        with unittest.mock.patch.multiple(
                hypervisor, Apt=FakeApt, pockets=lambda suite: list(pockets),
                mirror=lambda suite: "mirror"), \
                unittest.mock.patch.object(FakeApt, "pockets", pockets):
            return hypervisor.fetch("bookworm", self.where).name

    def test_the_newest_source_that_is_there_is_taken(self):
        main = ["4.17.5+9-1", "4.17.5+72-1"]
        security = ["4.17.7-0+deb12u1"]
        self.assertEqual("4.17.7-0+deb12u1", self.fetch(
            main=(main, main), security=(security, security)))
        self.assertEqual("4.17.5+72-1", self.fetch(
            main=(main, main), security=(security, [])))
        self.assertEqual("4.17.5+9-1", self.fetch(
            main=(main, main[:1]), security=(security, [])))

    def test_without_a_source_it_is_said_what_was_looked_for(self):
        with self.assertRaises(hypervisor.NoSource) as caught:
            self.fetch(main=(["1.0-1"], []), security=(["1.1-1"], []))
        for text in ("1.0-1", "1.1-1", "DEBIAN_MIRROR", "SOURCE=DIR"):
            self.assertIn(text, str(caught.exception))

    def test_a_directory_that_is_no_source_is_refused(self):
        with self.assertRaisesRegex(LabError, "debian/changelog"):
            hypervisor.source_of("bookworm", self.where, str(self.where))

    def test_only_what_is_wanted_is_switched_on(self):
        builder = FakeBuilder()
        builder.source = self.where
        for name in ("debian", "xen"):
            (self.where / name).mkdir()
        (self.where / "debian/xen-kconfig").write_text("CONFIG_DEBUG=n\n")
        hypervisor.configure(builder)
        self.assertEqual(
            hypervisor.read_config((self.where / "xen/.config").read_text()),
            {"HVM", "ONE_OF_MANY", *hypervisor.WANTED})

    def test_a_xen_without_memory_paging_is_refused(self):
        builder = FakeBuilder()
        builder.source = self.where
        builder.known = {"EXPERT": None, "UNSUPPORTED": None,
                         "TBOOT": "UNSUPPORTED", "ONE_OF_MANY": "EXPERT"}
        for name in ("debian", "xen"):
            (self.where / name).mkdir()
        (self.where / "debian/xen-kconfig").write_text("CONFIG_DEBUG=n\n")
        with self.assertRaisesRegex(LabError, "MEM_PAGING"):
            hypervisor.configure(builder)

    def test_hosts_are_of_a_release_that_needs_no_source_where_there_is_none(
            self):
        def no_source(suite):
            asked.append(suite)
            raise hypervisor.NoSource("none")

        asked = []
        with unittest.mock.patch.dict(
                os.environ, XEN_LAB_CACHE=str(self.where), XEN_LAB_SUITE="",
                XEN_LAB_HYPERVISOR=""), \
                unittest.mock.patch.multiple(
                    boots, lab_source=no_source):
            for _ in range(2):      # and it is not asked for each time
                boots.default_suite.cache_clear()
                self.assertEqual(config.suite(), "bullseye")
        boots.default_suite.cache_clear()
        self.assertEqual(asked, [config.DEFAULT_SUITE])


class Cache(unittest.TestCase):
    def test_digest_sees_names_contents_and_modes(self):
        with temporary() as where:
            file = pathlib.Path(where, "file")
            file.write_text("x")
            keys = [config.digest(pathlib.Path(where))]
            file.chmod(0o755)
            keys.append(config.digest(pathlib.Path(where)))
            file.write_text("y")
            keys.append(config.digest(pathlib.Path(where)))
            file.rename(file.with_name("other"))
            keys.append(config.digest(pathlib.Path(where)))
            self.assertEqual(len(set(keys)), 4)

    def test_a_generation_is_built_once_and_whole_or_not_at_all(self):
        with temporary() as where:
            os.environ["XEN_LAB_CACHE"] = where
            self.addCleanup(os.environ.pop, "XEN_LAB_CACHE")
            built = []

            def fail(work):
                (work / "half").touch()
                raise LabError("no")

            with self.assertRaises(LabError):
                config.generation("kind", "key", fail)
            self.assertEqual(list(pathlib.Path(where).glob("kind[.-]*new*")),
                             [])
            for _ in range(2):
                place = config.generation("kind", "key", built.append)
            self.assertEqual(len(built), 1)
            self.assertEqual(place.name, "kind-key")

    def test_old_generations_go_unless_used(self):
        with temporary() as where:
            cache = pathlib.Path(where)
            for name in ("kind-old", "kind-held", "kind-new", "other-old"):
                (cache / name).mkdir()
                config.use(cache / name).close()
            with config.use(cache / "kind-held"):
                for name in ("kind-old", "kind-held", "other-old"):
                    os.utime(cache / name / config.IN_USE, (1, 1))
                config.remove_old(cache, "kind")
            self.assertEqual(sorted(path.name for path in cache.iterdir()),
                             ["kind-held", "kind-new", "other-old"])


class SupervisorAlone(unittest.TestCase):
    """The real supervisor, with this test in the place of QEMU."""

    owner = "null"

    def setUp(self):
        directory = temporary()
        self.addCleanup(directory.cleanup)
        self.state = pathlib.Path(directory.name)
        self.start(self.owner)
        self.console = Console(self.state)

    def start(self, owner):
        (self.state / "lab.json").write_text(
            f'{{"uses": [], "owner": {owner}}}')
        self.process = subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(self.state)])
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.terminate)
        while not (self.state / "lab.sock").exists():
            self.assertIsNone(self.process.poll())
            time.sleep(0.01)

    def serial(self, host):
        sock = qemu.connect(self.state, f"console-{host}.sock")
        self.addCleanup(sock.close)
        return sock

    def test_lines_are_stamped_in_order_and_named(self):
        before = self.console.now()
        a, b = self.serial("a"), self.serial("b")
        a.sendall(b"one\r\ntw")
        self.console.wait("one", timeout=5)
        b.sendall(b"three\n")
        self.console.wait("three", host="b", timeout=5)
        a.sendall(b"o\n")
        self.console.wait("^two$", timeout=5)
        lines = self.console.lines()
        self.assertEqual([(line.host, line.text) for line in lines],
                         [("a", "one"), ("b", "three"), ("a", "two")])
        stamps = [line.time for line in lines]
        self.assertEqual(stamps, sorted(stamps))
        self.assertTrue(before <= stamps[0] <= self.console.now())

    def test_since_leaves_older_lines_out(self):
        a = self.serial("a")
        a.sendall(b"same 1\n")
        first = self.console.wait("same", timeout=5)
        since = self.console.now()
        threading.Timer(0.2, a.sendall, [b"same 2\n"]).start()
        second = self.console.wait(r"same (\d)", since=since, timeout=5)
        self.assertEqual((first.text, second.match[1]), ("same 1", "2"))
        self.assertEqual(len(self.console.lines(since=since)), 1)

    def test_wait_gives_up_in_time_and_shows_what_came(self):
        self.serial("a").sendall(b"something else\n")
        with self.assertRaisesRegex(ConsoleTimeout, "something else"):
            self.console.wait("never", timeout=0.5)

    def test_wait_ends_with_the_lab(self):
        threading.Timer(0.2, self.process.terminate).start()
        with self.assertRaisesRegex(LabError, "ended while waiting"):
            self.console.wait("never", timeout=30)

    def test_wait_ends_with_the_host(self):
        lab = Lab(self.state)
        lab._ask(op="start", host="a", argv=["sleep", "0.2"])
        with self.assertRaisesRegex(LabError, "machine ended with status 0"):
            self.console.wait("never", host="a", timeout=30)
        self.assertFalse(lab._alive("a"))
        lab._ask(op="start", host="a", argv=["sleep", "10"])
        self.assertTrue(lab._alive("a"))

    def test_a_long_log_reaches_every_follower(self):
        a = self.serial("a")
        count = 20000
        results = []

        def follow():
            lines = self.console.follow(timeout=30)
            results.append([line.text for _, line in zip(range(count), lines)])

        threads = [threading.Thread(target=follow) for _ in range(3)]
        for thread in threads:
            thread.start()
        a.sendall(b"".join(b"line %d\n" % n for n in range(count)))
        for thread in threads:
            thread.join()
        wanted = [f"line {n}" for n in range(count)]
        self.assertEqual(results, [wanted] * 3)

    def test_children_die_with_a_killed_supervisor(self):
        Lab(self.state)._ask(op="start", host="a", argv=[
            "sh", "-c", f"echo $$ > {self.state}/pid; exec sleep 100"])
        while not (self.state / "pid").exists() or not (
                self.state / "pid").read_text().strip():
            time.sleep(0.01)
        child = os.pidfd_open(int((self.state / "pid").read_text()))
        self.addCleanup(os.close, child)
        self.process.kill()
        self.assertTrue(ended(child))


class Owned(unittest.TestCase):
    def test_the_supervisor_ends_with_its_owner(self):
        with temporary() as where, subprocess.Popen(["sleep", "100"]) as owner:
            pathlib.Path(where, "lab.json").write_text(
                f'{{"uses": [], "owner": {owner.pid}}}')
            process = subprocess.Popen(
                [sys.executable, str(SUPERVISOR), where])
            while not pathlib.Path(where, "lab.sock").exists():
                time.sleep(0.01)
            owner.kill()
            self.assertEqual(process.wait(10), 0)


def ended(pidfd, timeout=10):
    """Whether the process ends in time (a zombie has)."""
    import select
    return bool(select.select([pidfd], [], [], timeout)[0])


@unittest.skipUnless(WITH_HOSTS, "needs --hosts")
class Hosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = temporary()
        cls.lab = Lab(cls.directory.name)
        cls.lab.up(owner=os.getpid())

    @classmethod
    def tearDownClass(cls):
        cls.lab.down()
        cls.directory.cleanup()

    def test_xen_runs(self):
        for host in config.HOSTS:
            self.assertIn("Domain-0", self.lab.run(host, "xl list").stdout)

    def test_the_clock_is_ours(self):
        for host in config.HOSTS:
            there = float(self.lab.run(host, "date +%s.%N").stdout)
            self.assertLess(abs(there - time.time()), 5)

    def test_exit_codes_output_and_input(self):
        done = self.lab.run("a", "cat; echo err >&2; exit 3", check=False,
                            input="in")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (3, "in", "err\n"))
        with self.assertRaises(CommandFailed):
            self.lab.run("a", ["false"])
        with self.assertRaisesRegex(LabError, "more than"):
            self.lab.run("a", "sleep 20", timeout=1)
        words = ["printf", "%s|", "a b", "$x", "'"]
        self.assertEqual(self.lab.run("b", words).stdout, "a b|$x|'|")

    def test_put_and_get(self):
        with temporary() as where:
            file = pathlib.Path(where, "data")
            file.write_bytes(os.urandom(100_000))
            file.chmod(0o750)
            self.lab.put("a", file, "/root/new dir/")
            self.lab.run("a", "scp -q '/root/new dir/data' xen-b:/root/")
            self.lab.get("b", "/root/data", f"{where}/back")
            self.assertEqual(file.read_bytes(),
                             pathlib.Path(where, "back").read_bytes())
            mode = self.lab.run("a", "stat -c %a '/root/new dir/data'").stdout
            self.assertEqual(mode.strip(), "750")

    def test_install(self):
        with temporary() as where:
            tool = pathlib.Path(where, "usr/local/sbin/tool")
            tool.parent.mkdir(parents=True)
            tool.write_text("#!/bin/sh\necho tool\n")
            tool.chmod(0o755)
            self.lab.install(where)
        for host in config.HOSTS:
            self.assertEqual(self.lab.run(host, "tool").stdout, "tool\n")

    def test_the_hosts_reach_each_other_until_unplugged(self):
        ssh = "timeout 20 ssh -o ConnectTimeout=5 xen-b ssh xen-a hostname"
        self.assertEqual(self.lab.run("a", ssh).stdout, "xen-a\n")
        self.lab.link(False)
        try:
            self.assertNotEqual(self.lab.run("a", ssh, check=False).returncode,
                                0)
        finally:
            self.lab.link(True)
        self.assertEqual(self.lab.run("a", ssh).stdout, "xen-a\n")

    def test_a_killed_host_is_noticed_and_can_start_again(self):
        self.lab.kill("b")
        self.assertFalse(self.lab.is_up())
        with self.assertRaises(LabError):
            self.lab.run("b", "true")
        self.lab.restart("b")
        self.assertTrue(self.lab.is_up())
        self.lab.run("a", "ping -c 1 -w 10 xen-b")

    def test_two_labs_at_once(self):
        with temporary() as where:
            other = Lab(where)
            other.up(owner=os.getpid())
            try:
                other.run("a", "touch /root/here")
                self.assertNotEqual(self.lab.run(
                    "a", "ls /root/here", check=False).returncode, 0)
            finally:
                other.down()
            self.assertFalse(other.is_up())

    def test_report(self):
        self.assertIn("Domain-0", self.lab.failure_report())


@unittest.skipUnless(WITH_HOSTS, "needs --hosts")
class NamedHypervisor(unittest.TestCase):
    def test_it_runs(self):
        """The image's own, with something else where it says who built it."""
        own = (image.image() / "xen").read_bytes()
        named = own.replace(b"lists.alioth", b"named.tester")
        self.assertNotEqual(own, named)
        with temporary() as where:
            file = pathlib.Path(where, "xen.gz")
            file.write_bytes(gzip.compress(named))
            with unittest.mock.patch.dict(os.environ,
                                          XEN_LAB_HYPERVISOR=str(file)):
                lab = Lab(pathlib.Path(where, "lab"))
                lab.up(owner=os.getpid(), snapshot=False)
            try:
                self.assertIn("named.tester", lab.run(
                    "a", "xl info cc_compile_domain").stdout)
            finally:
                lab.down()


if __name__ == "__main__":
    unittest.main(argv=[arg for arg in sys.argv if arg != "--hosts"])
