#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scriptlets of rpm/xen-postcopy.spec, in a root of their own, in the order in
which rpm runs them: no rpm is needed for that. Where it matters, what rpm does to files
itself is played: a new file takes the place of what has its name, link or not, and an
erased package's names go, whatever is there by then."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
SPEC = (TOP / "rpm/xen-postcopy.spec").read_text(encoding="utf-8")
SECTION = re.compile(r"^%(prep|build|install|check|pre|post|preun|postun|trigger\w+|files|"
                     r"package|description)\b.*$", re.M)


def scriptlets():
    """Name: text, of those that rpm runs on a host."""
    starts = [(match[1], match.end(), match.start()) for match in SECTION.finditer(SPEC)]
    ends = [start for _, _, start in starts[1:]] + [len(SPEC)]
    return {name: SPEC[begin:end] for (name, begin, _), end in zip(starts, ends)
            if name.startswith("trigger") or name in ("pre", "post", "preun", "postun")}


class Scriptlets(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.xl = self.root / "usr/sbin/xl"
        self.completion = self.root / "usr/share/bash-completion/completions/xl"
        self.builds = self.root / "usr/lib/xen-postcopy"
        for path in (self.xl, self.completion, self.builds / "stock/xl"):
            path.parent.mkdir(parents=True)

    def run_scriptlet(self, name, ours, theirs=0):
        """With the number of versions of each package that are there afterwards."""
        text = scriptlets()[name]
        macros = dict(re.findall(r"^%(?:global|define) (\w+) (.*)$", SPEC, re.M),
                      _sbindir="/usr/sbin", _prefix="/usr", _datadir="/usr/share",
                      _libdir="/usr/lib64")
        while "%{" in text:
            text = re.sub(r"%\{(\w+)\}", lambda match: macros[match[1]], text)
        text = text.replace("/usr/", f"{self.root}/usr/")
        done = subprocess.run(["sh", "-eu", "-c", text, name, str(ours), str(theirs)],
                              capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"]})
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    # Does what rpm does to files.

    def put_ours(self):
        for path in (self.xl, self.completion):
            path.with_name("xl-postcopy").write_text("ours, _xl_postcopy")
        (self.builds / "stock").mkdir(parents=True, exist_ok=True)
        tool = self.builds / "in-front"
        tool.write_text((TOP / "scripts/in-front").read_text(encoding="utf-8"))
        tool.chmod(0o755)

    def erase_ours(self):
        for path in (self.xl, self.completion):
            path.with_name("xl-postcopy").unlink()
        (self.builds / "in-front").unlink()
        for directory in (self.builds / "stock", self.builds):
            if directory.exists() and not list(directory.iterdir()):
                directory.rmdir()

    def put_theirs(self, version):
        for path in (self.xl, self.completion):
            new = path.with_name("xl;new")
            new.write_text(version)
            new.rename(path)

    def erase_theirs(self):
        for path in (self.xl, self.completion):
            path.unlink(missing_ok=True)

    # What must hold afterwards.

    def assert_in_front(self, version):
        for path in (self.xl, self.completion):
            self.assertEqual(os.readlink(path), "xl-postcopy")
            self.assertEqual(path.with_name("xl.stock").read_text(), version)
        stock = self.builds / "stock/xl"
        self.assertTrue(stock.is_symlink())
        self.assertEqual(stock.read_text(), version)

    def assert_theirs(self, version):
        for path in (self.xl, self.completion):
            self.assertFalse(path.is_symlink())
            self.assertEqual(path.read_text(), version)

    def assert_nothing_left(self):
        left = [path for path in self.root.rglob("*") if not path.is_dir() or
                path.is_symlink()]
        self.assertEqual(left, [])

    def install_ours(self):
        self.put_ours()
        if self.xl.exists():
            self.run_scriptlet("triggerin", 1, 1)

    def install_theirs(self, version="stock 1"):
        self.put_theirs(version)
        if self.xl.with_name("xl-postcopy").exists():
            self.run_scriptlet("triggerin", 1, 1)

    def test_ours_comes_second_and_goes_first(self):
        self.install_theirs()
        self.install_ours()
        self.assert_in_front("stock 1")
        self.run_scriptlet("preun", 0)
        self.erase_ours()
        self.assert_theirs("stock 1")
        self.assertFalse(self.builds.exists())

    def test_ours_comes_first(self):
        self.install_ours()
        self.assertFalse(self.xl.exists())
        self.install_theirs()
        self.assert_in_front("stock 1")

    def test_theirs_is_updated(self):
        self.install_theirs()
        self.install_ours()
        self.install_theirs("stock 2")
        # The old one's files are erased where the new one has none of the name.
        self.run_scriptlet("triggerpostun", 1, 1)
        self.assert_in_front("stock 2")
        self.run_scriptlet("preun", 0)
        self.erase_ours()
        self.assert_theirs("stock 2")

    def test_ours_is_updated(self):
        self.install_theirs()
        self.install_ours()
        self.put_ours()
        self.run_scriptlet("triggerin", 2, 1)
        self.run_scriptlet("preun", 1)
        self.assert_in_front("stock 1")

    def test_both_are_updated_at_once(self):
        self.install_theirs()
        self.install_ours()
        self.put_theirs("stock 2")
        self.put_ours()
        self.run_scriptlet("triggerin", 2, 2)
        self.run_scriptlet("triggerin", 2, 2)
        self.run_scriptlet("preun", 1)
        self.run_scriptlet("triggerpostun", 1, 1)
        self.assert_in_front("stock 2")

    def test_theirs_goes_first(self):
        self.install_theirs()
        self.install_ours()
        self.erase_theirs()
        self.run_scriptlet("triggerpostun", 1, 0)
        for path in (self.xl, self.completion):
            self.assertFalse(path.exists() or path.is_symlink())
        self.run_scriptlet("preun", 0)
        self.erase_ours()
        self.assert_nothing_left()

    def test_theirs_goes_and_comes_back(self):
        self.install_theirs()
        self.install_ours()
        self.erase_theirs()
        self.run_scriptlet("triggerpostun", 1, 0)
        self.install_theirs("stock 3")
        self.assert_in_front("stock 3")

    def test_each_scriptlet_is_played(self):
        self.assertEqual(sorted(scriptlets()), ["preun", "triggerin", "triggerpostun"])


if __name__ == "__main__":
    unittest.main()
