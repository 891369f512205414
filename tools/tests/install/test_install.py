#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of configure's options, of where things are installed, and of whose a file
is that has our name."""

import os
import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]

# The options that rpm's %configure and Debian's dh_auto_configure pass.
PACKAGERS = """--build=x86_64-linux-gnu --host=x86_64-linux-gnu --program-prefix=
    --disable-dependency-tracking --prefix=/usr --exec-prefix=/usr --bindir=/usr/bin
    --sbindir=/usr/bin --sysconfdir=/etc --datadir=/usr/share
    --includedir=/usr/include --libdir=/usr/lib64 --libexecdir=/usr/libexec
    --localstatedir=/var --runstatedir=/run --sharedstatedir=/var/lib
    --mandir=/usr/share/man --infodir=/usr/share/info --disable-option-checking
    --disable-silent-rules --disable-maintainer-mode""".split()


class Directory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = pathlib.Path(directory.name)


class Configure(Directory):
    def configure(self, *options, **environment):
        return subprocess.run(
            [TOP / "configure", "--disable-tests", f"--output={self.where}",
             *options], env=dict(os.environ, **environment),
            capture_output=True, text=True, check=False)

    def variable(self, name):
        """As make has it after configure."""
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        self.assertEqual(
            subprocess.run(["make", "-s", "-f", "-"], check=True, text=True,
                           env=environment,
                           input=f"S := {TOP}\nO := {self.where}\n"
                                 f"include {self.where}/config.mk\n"
                                 f"include {TOP}/Config.mk\n"
                                 f"all:; @: $(file >{self.where}/value,$({name}))\n",
                           capture_output=True).stderr, "")
        return (self.where / "value").read_text().strip()

    def test_what_packagers_give(self):
        done = self.configure(*PACKAGERS)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, value in (("SBINDIR", "/usr/bin"), ("LIBDIR", "/usr/lib64"),
                            ("MANDIR", "/usr/share/man"),
                            ("INCLUDEDIR", "/usr/include")):
            self.assertEqual(self.variable(name), value, name)

    def test_directories_below_the_prefix(self):
        done = self.configure("--prefix", "/opt/xen")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, value in (("SBINDIR", "/opt/xen/sbin"),
                            ("LIBDIR", "/opt/xen/lib"),
                            ("MANDIR", "/opt/xen/share/man")):
            self.assertEqual(self.variable(name), value, name)

    def test_where_the_hosts_xen_has_its_files(self):
        self.configure("--sysconfdir=/opt/etc", "--localstatedir=/opt/var")
        flags = self.variable("ALL_CFLAGS")
        for directory in ("/opt/etc/xen", "/opt/var/lib/xen",
                          "/opt/var/log/xen", "/opt/var/run/xen"):
            self.assertIn(f'"{directory}"', flags)
        self.configure()
        self.assertIn('"/etc/xen"', self.variable("ALL_CFLAGS"))

    def test_no_runpath_to_where_the_system_looks(self):
        for libdir in ("/usr/lib", "/usr/lib64", "/lib64",
                       "/usr/lib/x86_64-linux-gnu"):
            self.configure(f"--libdir={libdir}")
            self.assertEqual(self.variable("RPATH_FLAGS"), "", libdir)
        for libdir in ("/opt/lib", "/usr/lib/xen-postcopy/4.17"):
            self.configure(f"--libdir={libdir}")
            self.assertEqual(self.variable("RPATH_FLAGS"),
                             f"-Wl,-rpath,{libdir}")

    def test_compiler_and_flags_as_arguments(self):
        done = self.configure("CC=gcc -m64", "CFLAGS=-O3", "LDFLAGS=-s",
                              CFLAGS="-O1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.variable("CC"), "gcc -m64")
        self.assertEqual(self.variable("USER_CFLAGS"), "-O3")
        self.assertEqual(self.variable("USER_LDFLAGS"), "-s")

    def test_a_mistyped_option_is_refused(self):
        for wrong in ("--perfix=/usr", "prefix", "--mandirs=/x", "--mandir"):
            done = self.configure(wrong)
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertIn("configure: ", done.stderr)


class InFront(Directory):
    def run_script(self, what, in_front=""):
        return subprocess.run(
            [TOP / "scripts/in-front", what, self.where / "xl", "xl-postcopy",
             self.where / "lib/ours/stock/xl"],
            env=dict(os.environ, IN_FRONT=in_front), capture_output=True,
            text=True, check=True).stderr

    def is_in_front(self):
        return os.readlink(self.where / "xl") == "xl-postcopy"

    def test_nobody_else_is_there(self):
        self.assertEqual(self.run_script("put"), "")
        self.assertTrue(self.is_in_front())
        self.run_script("back")
        self.assertEqual(os.listdir(self.where), [])

    def test_a_file_of_an_earlier_version_of_ours(self):
        for ours in ("\x7fELF libxenlight-postcopy.so.1", "_xl_postcopy()"):
            (self.where / "xl").write_text(ours)
            self.assertEqual(self.run_script("put"), "")
            self.assertTrue(self.is_in_front())
            (self.where / "xl").unlink()

    def test_another_s_stays_and_it_is_said_how_to_step_in_front(self):
        (self.where / "xl").write_text("theirs")
        self.assertIn("IN_FRONT=yes", self.run_script("put"))
        self.assertEqual((self.where / "xl").read_text(), "theirs")
        self.assertEqual((self.where / "lib/ours/stock/xl").read_text(),
                         "theirs")
        self.run_script("back")
        self.assertEqual((self.where / "xl").read_text(), "theirs")
        self.assertFalse((self.where / "lib/ours").exists())

    def test_another_s_that_has_gone_is_not_led_to_any_more(self):
        (self.where / "xl").write_text("theirs")
        self.run_script("put")
        (self.where / "xl").unlink()
        self.run_script("put")
        self.assertTrue(self.is_in_front())
        self.assertFalse((self.where / "lib/ours/stock/xl").is_symlink())

    def test_another_s_is_kept_and_comes_back(self):
        (self.where / "xl").write_text("theirs")
        self.run_script("put", "yes")
        self.run_script("put", "yes")
        self.assertTrue(self.is_in_front())
        self.assertEqual((self.where / "lib/ours/stock/xl").read_text(),
                         "theirs")
        self.run_script("back")
        self.assertEqual((self.where / "xl").read_text(), "theirs")
        self.assertFalse((self.where / "lib/ours").exists())

    def test_another_s_link_that_leads_nowhere_is_no_absent_file(self):
        (self.where / "xl").symlink_to("../theirs")
        self.assertIn("IN_FRONT=yes", self.run_script("put"))
        self.run_script("put", "yes")
        self.assertTrue(self.is_in_front())
        self.run_script("back")
        self.assertEqual(os.readlink(self.where / "xl"), "../theirs")

    def test_what_was_installed_over_ours_is_not_replaced_by_what_is_older(self):
        (self.where / "xl").write_text("old")
        self.run_script("put", "yes")
        (self.where / "xl").unlink()
        (self.where / "xl").write_text("new")
        self.run_script("back")
        self.assertEqual((self.where / "xl").read_text(), "new")
        self.assertFalse((self.where / "xl.stock").exists())


if __name__ == "__main__":
    unittest.main()
