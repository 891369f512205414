# SPDX-License-Identifier: LGPL-2.1-or-later
"""The image of the guest that serves a database (xen/guests/database).

In the cache, as the hosts' images are:
  packages-*  the release's packages, a tar archive
  database-*  root.squashfs, the guest's root; data.img, the disk that it writes to,
              filled by the guest itself in a plain QEMU; client/, pgbench and psql
              with their libraries, for any host
"""

import pathlib
import re
import shutil
import struct
import subprocess
import tarfile

from . import config, qemu
from .config import LabError, say
from .image import Cpio, image, initramfs, mmdebstrap, run

GUEST = config.SOURCE.parent / "guests" / "database"
DATA_SIZE = 120             # MiB
PREPARE_LIMIT = 600         # seconds
SECTOR = 512
MIB = 1 << 20
# Modules of a dom0: what a root needs, and devices that a QEMU without Xen has.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "squashfs", "overlay")
# Large, and of no use to this guest: PostgreSQL's compiler of expressions, and a
# cluster that its package has made.
LEFT_OUT = ("./usr/lib/x86_64-linux-gnu/libLLVM", "./usr/lib/x86_64-linux-gnu/libz3",
            "./var/lib/postgresql/", "./var/lib/apt/", "./var/cache/",
            "./usr/lib/llvm", "./usr/share/zoneinfo/", "./boot/", "./dev/")
CLIENTS = ("pgbench", "psql")


def packages(suite):
    """The tar archive of the guest's packages."""
    key = config.digest(*config.read_list("database.packages", suite), suite)

    def build(work):
        say(f"fetching the database guest's packages of {suite} (a minute)")
        mmdebstrap("database", suite, work / "root.tar")

    return config.generation("packages", key, build) / "root.tar"


def database(programs, suite=None):
    """The directory with all of it. `programs` is where the build has put
    treecheck."""
    suite = suite or config.suite()
    tools = [pathlib.Path(programs) / "treecheck"]
    key = config.digest(*config.read_list("database.packages", suite), suite, GUEST,
                        *tools, pathlib.Path(__file__))

    def build(work):
        archive = packages(suite)
        say("making the database guest (a minute)")
        make_root(archive, tools, work)
        make_client(work)
        prepare_data(work, suite)

    return config.generation("database", key, build)


# ---- the root ----

def make_root(archive, tools, work):
    tree = work / "root.tar"
    with tarfile.open(archive) as source, tarfile.open(tree, "w") as target:
        merged = source.getmember("./sbin").issym()
        for member in source:
            if not member.name.startswith(LEFT_OUT):
                target.addfile(member, source.extractfile(member)
                               if member.isreg() else None)
        for file, place, mode in own_files(tools, "usr/sbin" if merged else "sbin"):
            member = tarfile.TarInfo(place)
            member.size, member.mode = file.stat().st_size, mode
            with open(file, "rb") as data:
                target.addfile(member, data)
    with open(tree, "rb") as file:
        run(["mksquashfs", "-", str(work / "root.squashfs"), "-tar", "-comp",
             "zstd", "-no-progress", "-quiet"], stdin=file)
    tree.unlink()


def own_files(tools, sbin):
    """(file, its place, mode): what is added to the packages."""
    yield GUEST / "start", f"./{sbin}/init", 0o755
    yield GUEST / "start", "./usr/lib/database/restart", 0o755
    yield GUEST / "schema.sql", "./usr/lib/database/schema.sql", 0o644
    for tool in tools:
        yield tool, f"./usr/bin/{tool.name}", 0o755


def read_of(squashfs):
    """read(path), of files in it; from Debian 12 on all is below /usr, and links
    lead there."""
    def read(path):
        for place in (path, f"usr/{path}"):
            done = subprocess.run(["unsquashfs", "-cat", str(squashfs), place],
                                  capture_output=True)
            if done.returncode == 0 and done.stdout:
                return done.stdout
        raise LabError(f"{squashfs} has no {path}: {done.stderr.decode()}")

    return read


def guest_initramfs(suite):
    """For the kernel of the suite's hosts, which is this guest's as well."""
    read = read_of(image(suite) / "root.squashfs")
    own = Cpio()
    own.file("init", (GUEST / "initramfs-init").read_bytes(), 0o755)
    own.file("lab-init", (config.SOURCE / "initramfs-init").read_bytes(), 0o755)
    release = ".".join(read("boot/version").decode().split(".")[:2])
    # The kernel unpacks all three, one after the other.
    return (read(f"usr/lib/xen-lab/modules-{release}.cpio") + initramfs(read, MODULES)
            + own.finish())


# ---- its clients ----

def make_client(work):
    """Programs and libraries of the root, and the loader that starts them: so they
    run on a host of any release, as `client/ld.so --library-path client
    client/pgbench`."""
    root = work / "unpacked"
    run(["unsquashfs", "-quiet", "-no-progress", "-d", str(root),
         str(work / "root.squashfs"), "usr/lib", "lib", "lib64"])
    client = work / "client"
    client.mkdir()
    libraries = root / "usr/lib/x86_64-linux-gnu"
    loader = next(iter(sorted(root.rglob("ld-linux-x86-64.so.2"))))
    shutil.copy(loader.resolve() if loader.exists() else
                next(libraries.glob("ld-*.so*")), client / "ld.so")
    search = ":".join(str(path) for path in (
        libraries, root / "lib/x86_64-linux-gnu") if path.is_dir())
    for name in CLIENTS:
        program = next(root.glob(f"usr/lib/postgresql/*/bin/{name}"))
        shutil.copy(program, client / name)
        listed = run([str(client / "ld.so"), "--library-path", search, "--list",
                      str(program)])
        for library, file in libraries_of(listed):
            shutil.copy(file, client / library)
    shutil.rmtree(root)


def libraries_of(listed):
    """[(name, file)] of what the loader lists. The loader itself is in its list by its
    full name, which is this machine's as well: such a name is never a library's."""
    if "not found" in listed:
        raise LabError(f"the database guest lacks a library of its clients:\n{listed}")
    found = re.findall(r"(?m)^\s*(\S+) => (/\S+) \(0x[0-9a-f]+\)$", listed)
    return [(name, file) for name, file in found if "/" not in name]


# ---- its disk ----

def prepare_data(work, suite):
    """Have the guest fill its disk, in a QEMU without Xen."""
    data = work / "data.img"
    with open(data, "wb") as disk:
        disk.truncate(DATA_SIZE * MIB)
    (work / "initramfs").write_bytes(guest_initramfs(suite))
    said = run(direct_boot(work, suite, data, "database=prepare"),
               timeout=PREPARE_LIMIT)
    (work / "initramfs").unlink()
    if "database prepared" not in said:
        raise LabError("the database guest could not make its disk:\n"
                       + "\n".join(said.splitlines()[-40:]))


def direct_boot(work, suite, data, arguments):
    """The argument vector of a plain QEMU that boots the guest; its console is
    stdout."""
    return [qemu.BINARY, "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-m", "384", "-cpu", "max", "-accel", "tcg",
            "-kernel", str(image(suite) / "vmlinuz"),
            "-initrd", str(work / "initramfs"),
            "-append", "console=ttyS0 quiet panic=-1 xen_lab.root=/dev/vda "
                       f"system=vda data=vdb {arguments}",
            "-serial", "stdio",
            "-drive", f"if=virtio,file={work}/root.squashfs,format=raw,readonly=on",
            "-drive", f"if=virtio,file={data},format=raw,cache=unsafe"]


# ---- on the disk that hosts share ----

def partition_table(sizes):
    """A DOS partition table for partitions of these sizes, MiB, from 1 MiB on."""
    table, start = bytearray(SECTOR), 1
    for number, size in enumerate(sizes):
        sectors = MIB // SECTOR
        struct.pack_into("<B3xB3xII", table, 446 + 16 * number, 0, 0x83,
                         start * sectors, size * sectors)
        start += size
    table[510:] = b"\x55\xaa"
    return bytes(table)


def write_disk(made, disk):
    """Partition the file `disk`, and write the root and the prepared data to it."""
    root = (made / "root.squashfs").read_bytes()
    sizes = (-(-len(root) // MIB), DATA_SIZE)
    if 1 + sum(sizes) > config.SHARED_DISK_SIZE:
        raise LabError(f"the database guest needs {1 + sum(sizes)} MiB of the hosts' "
                       f"disk of {config.SHARED_DISK_SIZE}")
    with open(disk, "r+b") as file:
        file.write(partition_table(sizes))
        file.seek(MIB)
        file.write(root)
        file.seek((1 + sizes[0]) * MIB)
        file.write((made / "data.img").read_bytes())
