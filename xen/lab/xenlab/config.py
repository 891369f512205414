# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where things are, what the environment says, and the cache's locking."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import sys
import tempfile
import time

HOSTS = ("a", "b")
# Debian's releases, oldest first, and the Xen of those that hosts can be made of.
SUITES = ("bullseye", "bookworm", "trixie")
XEN_OF = {"bullseye": "4.14", "bookworm": "4.17", "trixie": "4.20"}
DEFAULT_SUITE = "bookworm"
# Debian supports these: mirrors have them.
SUPPORTED_SUITES = ("bookworm", "trixie")
# Of these the packaged hypervisor has memory paging.
PAGED_AS_PACKAGED = ("bullseye",)
# What runs hosts: two in QEMU, one in Bochs.
ACCELS = ("qemu", "bochs")
SOURCE = pathlib.Path(__file__).resolve().parent.parent

# Mebibytes. A host holds dom0, the hypervisor's own heap (about 100) and the
# guests: by default two of 256 MiB.
DEFAULT_MEMORY = 1280
DEFAULT_DOM0_MEMORY = 384
# Newer kernels take more of it.
DOM0_MEMORY_OF = {"trixie": 512}

SHARED_DISK = "disk.img"    # in the state directory
SHARED_DISK_SIZE = 256      # MiB, of which the file takes what was written

IN_USE = ".in-use"          # in a cache directory: locked while it is used
KEEP_UNUSED = 2 * 3600      # seconds


class LabError(Exception):
    """Something a person has to know about; the message is for them."""


def cache_dir():
    path = os.environ.get("XEN_LAB_CACHE")
    if not path:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        path = os.path.join(os.path.expanduser(base), "xen-lab")
    path = pathlib.Path(path).absolute()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def state_dir(path=None):
    path = path or os.environ.get("XEN_LAB_STATE") or cache_dir() / "state"
    return pathlib.Path(path).absolute()


def megabytes(name, default):
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        raise LabError(f"{name}={text}: want a number of MiB")
    return int(text)


def of_host(text, host):
    """The host's word of a's and b's with a comma, or the only word."""
    words = text.split(",")
    return words[HOSTS.index(host) if words[1:] else 0]


def suite(host=HOSTS[0]):
    """The Debian release that the host is made of: the one in XEN_LAB_SUITE, or of two
    in it a's is the first and b's the second."""
    given = os.environ.get("XEN_LAB_SUITE")
    if not given:
        from . import boots         # which needs what is here
        return boots.default_suite()
    names = given.split(",")
    if len(names) > len(HOSTS) or not set(names) <= set(XEN_OF):
        raise LabError(f"XEN_LAB_SUITE={given}: want one of "
                       f"{', '.join(XEN_OF)}, or a's and b's with a comma")
    return of_host(given, host)


def suites():
    """The releases of the hosts: one, or a's and b's."""
    return list(dict.fromkeys(map(suite, HOSTS)))


def default_dom0_memory(host):
    return DOM0_MEMORY_OF.get(suite(host), DEFAULT_DOM0_MEMORY)


def accel():
    """What the hosts run in."""
    name = os.environ.get("XEN_LAB_ACCEL") or ACCELS[0]
    if name not in ACCELS:
        raise LabError(f"XEN_LAB_ACCEL={name}: want one of {', '.join(ACCELS)}")
    return name


def read_list(name, of):
    """The words of a list file: one a line, with # comments. A line that ends
    with [SUITE,SUITE] is for hosts of these suites only; `of` is one."""
    lines = (SOURCE / name).read_text().splitlines()
    lines = (line.split("#")[0].split() for line in lines)
    return [words[0] for words in lines
            if words and (not words[1:]
                      or of in words[1].strip("[]").split(","))]


def digest(*parts):
    """One key for strings and for the files and trees that paths name."""
    sum_ = hashlib.sha256()
    for part in parts:
        if not isinstance(part, pathlib.Path):
            sum_.update(f"s{len(part)}:{part}".encode())
            continue
        files = [part] if part.is_file() else sorted(part.rglob("*"))
        for file in files:
            if file.is_file():
                mode = file.stat().st_mode & 0o111 != 0
                name = file.relative_to(part.parent)
                sum_.update(f"f{name}:{mode}:{file.stat().st_size}:".encode())
                sum_.update(file.read_bytes())
    return sum_.hexdigest()[:16]


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path, what):
    """Hold the file's lock; one builder works and the others wait for it."""
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def generation(kind, key, build, dependent=None):
    """The cache directory KIND-KEY, made by build(dir) unless it is there.

    The directory is built beside its place and renamed, so that one in its place is
    whole.
    Then older generations of the kind are removed, and those of the kinds that the
    pattern `dependent` matches.
    """
    cache = cache_dir()
    place = cache / f"{kind}-{key}"
    with contextlib.suppress(FileNotFoundError):
        os.utime(place / IN_USE)
        return place
    with locked(cache / f"{kind}.lock", f"builds {kind}"):
        if place.is_dir():
            return place
        started = time.monotonic()
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"{kind}.new-", dir=cache))
        try:
            with use(work):
                build(work)
            work.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        say(f"{kind} ready after {time.monotonic() - started:.0f} s")
        for pattern in filter(None, (kind, dependent)):
            remove_old(cache, pattern)
    return place


def remove_old(cache, kind):
    """Remove generations that are not in use and have not been for a while: checkouts of
    different age may share a cache, and should not rebuild in turns."""
    for old in [*cache.glob(f"{kind}-*"), *cache.glob(f"{kind}.new-*")]:
        with contextlib.suppress(OSError), open(old / IN_USE, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(file.fileno()).st_mtime > KEEP_UNUSED:
                shutil.rmtree(old, ignore_errors=True)


def use(place):
    """Mark a generation as used until the returned file is closed."""
    file = open(place / IN_USE, "a")
    os.utime(place / IN_USE)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file
