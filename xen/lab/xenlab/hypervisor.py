# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian release's own Xen hypervisor, built once more with memory paging.

build() is the whole story: its steps stand above it in their order. Of Xen
only the hypervisor is built, from what `apt source xen` gives. boots.py says which
one a host of the lab boots.
"""

import datetime
import functools
import os
import pathlib
import re
import shlex
import shutil
import subprocess

from . import config, root
from .config import LabError, say
from .image import mirror, release_label, repositories, run

PACKAGE = "xen"
PACKAGES = config.SOURCE / "packages.hypervisor"
ARCH = "amd64"

# What is switched on, and what comes with it. All else is as Debian has it.
WANTED = ("EXPERT", "UNSUPPORTED", "MEM_PAGING")

# Added to the version of the source wherever that is told: by the hypervisor
# as it boots, and as the package's version.
MARK = "+paging"

COMMON = ["-C", "xen", "CC=x86_64-linux-gnu-gcc", "LD=x86_64-linux-gnu-ld",
          "XEN_COMPILE_ARCH=x86_64", "XEN_TARGET_ARCH=x86_64"]

CCACHE = "/usr/lib/ccache"


class NoSource(LabError):
    """The mirror has no source of Xen for the release."""


# The source, by apt.

def pockets(suite):
    """The repositories that may have a release's Xen: (URL, suite)."""
    main = mirror(suite)
    security = f"{suite}-security"
    beside = [main.rstrip("/") + "-security"]
    if not os.environ.get("DEBIAN_MIRROR"):
        beside = [*repositories(), *beside]
    found = [(main, name) for name in (suite, f"{suite}-updates")
             if release_label(main, name)]
    found += [(uri, security) for uri in dict.fromkeys(beside)
              if release_label(uri, security)][:1]
    return found


class Apt:
    """apt for the sources of one repository. Everything that it reads and
    writes but the machine's apt.conf is in a directory of its own."""

    def __init__(self, directory, pocket):
        self.dir = directory
        self.uri, self.suite = pocket
        for name in ("lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True)
        keys = ",".join(root.keyrings())
        (directory / "sources.list").write_text(
            f"deb-src [signed-by={keys}] {self.uri} {self.suite} main\n")
        (directory / "status").touch()
        options = {"Dir::State": directory, "Dir::State::lists": "lists",
                   "Dir::State::status": directory / "status",
                   "Dir::Cache": directory / "cache",
                   "Dir::Etc::sourcelist": directory / "sources.list",
                   "Dir::Etc::sourceparts": "/dev/null",
                   "Dir::Etc::preferences": "/dev/null",
                   "Dir::Etc::preferencesparts": "/dev/null",
                   "APT::Sandbox::User": "root",
                   "Acquire::Check-Valid-Until": "false"}
        self.options = [f"-o{key}={value}" for key, value in options.items()]

    def versions(self):
        run(["apt-get", *self.options, "-q", "update"])
        text = run(["apt-cache", *self.options, "showsrc", "--only-source",
                    PACKAGE])
        return re.findall(r"^Version: (\S+)$", text, re.M)

    def source(self, version, work):
        """The unpacked source, or None when the mirror does not have it."""
        into = work / "source"
        into.mkdir()
        done = subprocess.run(
            ["apt-get", *self.options, "-q", "source", f"{PACKAGE}={version}"],
            cwd=into, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace")
        unpacked = [path for path in into.iterdir() if path.is_dir()]
        if done.returncode == 0 and unpacked:
            return unpacked[0]
        shutil.rmtree(into)
        if "Failed to fetch" in done.stdout:
            return None
        raise LabError(f"apt-get source {PACKAGE}={version} failed:\n"
                       + "\n".join(done.stdout.splitlines()[-20:]))

    def __str__(self):
        return f"{self.uri} {self.suite}"


def compare_versions(one, other):
    for sign, operator in ((-1, "lt"), (1, "gt")):
        if subprocess.run(["dpkg", "--compare-versions", one, operator,
                           other]).returncode == 0:
            return sign
    return 0


def fetch(suite, work):
    """The newest source that is there: indexes name some that are not."""
    offers = []
    for number, pocket in enumerate(pockets(suite)):
        apt = Apt(work / f"apt-{number}", pocket)
        offers += [(version, apt) for version in apt.versions()]
    offers.sort(key=lambda offer: functools.cmp_to_key(compare_versions)(
        offer[0]), reverse=True)
    missing = []
    for version, apt in offers:
        found = apt.source(version, work)
        if found:
            for text in missing:
                say(f"the mirror names {text} and does not have it; taking "
                    f"{version}")
            return found
        missing.append(f"{PACKAGE} {version} of {apt}")
    raise NoSource(
        f"the mirror has no source of Xen for {suite}\nLooked for:\n  "
        + "\n  ".join(missing or [f"{PACKAGE} in {mirror(suite)}"])
        + "\nA mirror that has one of these helps (DEBIAN_MIRROR=URL), or an "
        "unpacked source as `apt source xen` leaves it (make hypervisor "
        f"SUITE={suite} SOURCE=DIR; what it leaves is for XEN_LAB_HYPERVISOR)")


def source_of(suite, work, given=None):
    """What is built, in the directory `work`: fetched, or a copy of `given`."""
    if not given:
        return fetch(suite, work)
    given = pathlib.Path(given)
    for name in ("debian/changelog", "debian/xen-kconfig", "xen/Makefile"):
        if not (given / name).is_file():
            raise LabError(f"SOURCE={given}: no {name} there; want a source "
                           "directory as `apt source xen` leaves it")
    return pathlib.Path(shutil.copytree(given, work / "source" / "xen",
                                        symlinks=True))


# The build: the same source gives the same image, wherever and whenever.

class Builder:
    """Runs commands for a source, on this machine if it is of the release, and
    in a root of the release otherwise."""

    def __init__(self, suite, source):
        self.suite, self.source = suite, source
        self.native = machine_suite() == suite
        entry = self.changelog("Timestamp")
        self.epoch = int(entry)
        self.version = self.changelog("Version")
        when = datetime.datetime.fromtimestamp(self.epoch,
                                               datetime.timezone.utc)
        self.env = {
            "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(self.epoch),
            "XEN_BUILD_DATE": f"{when:%a %b %e %H:%M:%S UTC %Y}",
            "XEN_BUILD_TIME": f"{when:%H:%M:%S}", "XEN_BUILD_HOST": "localhost",
            "XEN_WHOAMI": "rebuilt", "XEN_DOMAIN": "localhost",
            # Printed as the hypervisor boots.
            "DEB_VERSION": self.version + MARK,
            "DEB_MAINTAINER": "Rebuilt <rebuilt@localhost>",
            # Nothing may be fetched, nor asked of a repository around it.
            "GIT": "/bin/false", "WGET": "/bin/false",
        }

    def changelog(self, field):
        return run(["dpkg-parsechangelog", "-S", field, "-l",
                    str(self.source / "debian/changelog")]).strip()

    @property
    def release(self):
        """As 4.17: one hypervisor of each is installed at a time."""
        return ".".join(self.version.split(":")[-1].split(".")[:2])

    def make(self, *words):
        here = shlex.quote(str(self.source))
        maps = " ".join(f"-f{kind}-prefix-map={self.source}=."
                        for kind in ("file", "debug"))
        command = ["make", *COMMON, f"EXTRA_CFLAGS_XEN_CORE={maps}", *words]
        env = [f"{key}={value}" for key, value in self.env.items()]
        # Nothing of a make around it, and a compiler cache where there is one.
        script = (f'cd {here} && exec env -i HOME="$HOME" '
                  f"PATH={CCACHE}:{root.PATH} {shlex.join(env + command)}")
        if self.native:
            return run(["sh", "-c", script])
        return root.run(self.suite, ["sh", "-c", script], [self.source])


def machine_suite():
    """The release of Debian that this machine is of, or None."""
    try:
        text = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        return None
    words = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))
    return words.get("VERSION_CODENAME") if words.get("ID") == "debian" else None


def read_config(text):
    return set(re.findall(r"^CONFIG_(\w+)=y$", text, re.M))


def configure(builder):
    """Debian's configuration, and what is wanted. Some options show up only
    with that and are on by default: these stay off, as Debian has them."""
    file = builder.source / "xen/.config"
    debian = (builder.source / "debian/xen-kconfig").read_text()

    def settle(text):
        file.write_text(text)
        builder.make("olddefconfig")
        return file.read_text()

    before = read_config(settle(debian))
    text = settle(debian + "".join(f"CONFIG_{name}=y\n" for name in WANTED))
    added = read_config(text) - before - set(WANTED)
    off = {f"CONFIG_{name}=y": f"# CONFIG_{name} is not set" for name in added}
    text = settle("\n".join(off.get(line, line) for line in text.splitlines())
                  + "\n")
    after = read_config(text)
    if not after.issuperset(WANTED) or not after.issuperset(before):
        raise LabError(f"{builder.source}: this Xen cannot be built with "
                       f"{', '.join(set(WANTED) - after or before - after)}")
    return sorted(after - before - set(WANTED))


def build(suite, work, given=None):
    """In the directory `work`: xen.gz, config, and what a package needs to
    tell. Returns the Builder."""
    if suite in config.PAGED_AS_PACKAGED:
        raise LabError(f"the hypervisor of {suite} has memory paging as it is "
                       "packaged")
    builder = Builder(suite, source_of(suite, work, given))
    where = "here" if builder.native else f"in a root of {suite}"
    say(f"building the hypervisor of {PACKAGE} {builder.version} {where} "
        "(about four minutes on two processors)")
    configure(builder)
    builder.make(f"-j{len(os.sched_getaffinity(0))}", "build")
    shutil.copy(builder.source / "xen/xen.gz", work / "xen.gz")
    shutil.copy(builder.source / "xen/.config", work / "config")
    return builder
