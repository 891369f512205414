# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hosts of the lab boot: the hypervisor of each, and their release if none is
given."""

import functools
import gzip
import hashlib
import os
import pathlib
import shutil
import time
import zlib

from . import config, hypervisor
from .config import LabError, say

ELF_MAGIC = b"\x7fELF"
GZIP_MAGIC = b"\x1f\x8b"
PACKAGED = "packaged"       # XEN_LAB_HYPERVISOR: as the release's package has it
ASK_AGAIN = 3600            # seconds, where a mirror had no source
BUILD = pathlib.Path(hypervisor.__file__)


def lab_source(suite):
    """The cache directory with the source that the lab builds from."""
    def keep(work):
        hypervisor.fetch(suite, work).rename(work / "xen")
        for left in [*work.glob("apt-*"), work / "source"]:
            shutil.rmtree(left)

    key = config.digest(suite, BUILD)
    return config.generation(f"source-{suite}", key, keep) / "xen"


def rebuilt(suite):
    """The release's hypervisor with memory paging, packed, from the cache."""
    def make(work):
        hypervisor.build(suite, work, lab_source(suite))
        shutil.rmtree(work / "source")

    key = config.digest(suite, BUILD)
    return config.generation(f"rebuilt-{suite}", key, make) / "xen.gz"


@functools.cache
def default_suite():
    """The release of the hosts if none is given: the default, if the source of its
    hypervisor is there, or one that needs no source."""
    if os.environ.get("XEN_LAB_HYPERVISOR"):
        return config.DEFAULT_SUITE
    other = config.PAGED_AS_PACKAGED[0]
    asked = config.cache_dir() / f"no-source-{config.DEFAULT_SUITE}"
    if not asked.exists() or time.time() - asked.stat().st_mtime > ASK_AGAIN:
        try:
            lab_source(config.DEFAULT_SUITE)
            return config.DEFAULT_SUITE
        except LabError as error:
            asked.write_text(str(error).splitlines()[0])
    say(f"hosts of {other}, as packaged: {asked.read_text()} "
        f"(XEN_LAB_SUITE={config.DEFAULT_SUITE} says more)")
    return other


def read(file):
    """The octets of a hypervisor, which may be packed by gzip."""
    try:
        octets = pathlib.Path(file).read_bytes()
        if octets.startswith(GZIP_MAGIC):
            octets = gzip.decompress(octets)
    except (OSError, EOFError, zlib.error) as error:
        raise LabError(f"XEN_LAB_HYPERVISOR={file}: {error}") from error
    if not octets.startswith(ELF_MAGIC):
        raise LabError(f"XEN_LAB_HYPERVISOR={file}: want a hypervisor as "
                       "Xen's build leaves it in xen/xen or xen/xen.gz")
    return octets


def own(host):
    """The hypervisor that the host boots: its release's, rebuilt with memory paging, or
    that in the file which XEN_LAB_HYPERVISOR names (two files with a comma: a's, b's).
    A copy is kept, so that a host restarts with the one that it was started with. None:
    the packaged one, in the image."""
    suite = config.suite(host)
    named = config.of_host(os.environ.get("XEN_LAB_HYPERVISOR") or "", host)
    if named == PACKAGED or not named and suite in config.PAGED_AS_PACKAGED:
        return None
    octets = read(named or rebuilt(suite))

    def keep(work):
        (work / "xen").write_bytes(octets)

    key = hashlib.sha256(octets).hexdigest()[:16]
    return config.generation("hypervisor", key, keep,
                             dependent="snapshot*") / "xen"
