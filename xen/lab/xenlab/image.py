# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dom0 image and the sysroot: a Debian release's packages, by mmdebstrap."""

import contextlib
import functools
import glob
import io
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tarfile
import urllib.request

from . import config
from .config import LabError, say

CYLINDER = 16 * 63 * 512
INITRAMFS_MODULES = ("virtio_pci", "virtio_blk", "squashfs", "overlay")
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*",
            "/usr/share/info/*", "/usr/share/lintian/*")


def guest_suites(suite, uri):
    """Of these are kernels for guests, and nothing else, on a host of the suite:
    releases that are supported, and older ones that the mirror still has."""
    return tuple(name for name in config.SUITES if name != suite and
                 (name in config.SUPPORTED_SUITES or
                  release_label(uri, name) == "Debian"))


def release_label(uri, suite):
    """The label of a repository's suite, as "Debian"; None if it has no such
    suite."""
    url = f"{uri.rstrip('/')}/dists/{suite}/Release"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            head = answer.read(2000).decode(errors="replace")
    except (OSError, ValueError):
        return None
    found = re.search(r"^Label: (.*)$", head, re.M)
    return found and found[1]


def repositories():
    """The URLs that this machine's apt takes packages from."""
    try:
        text = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)",
             "Created-By: Packages", "Component: main"],
            check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"cannot ask apt for its mirror ({error}); set "
                       "DEBIAN_MIRROR to a Debian mirror's URL") from error
    return list(dict.fromkeys(text.split()))


def mirror(suite):
    """DEBIAN_MIRROR, or the first mirror of this machine's apt that serves."""
    given = os.environ.get("DEBIAN_MIRROR")
    if given:
        return given
    for uri in repositories():
        if release_label(uri, suite) == "Debian":
            return uri
    raise LabError(f"no mirror in apt's sources serves {suite}; "
                   "set DEBIAN_MIRROR to one that does")


def mmdebstrap(program, suite, target):
    packages = config.read_list(f"{program}.packages", suite)
    uri = mirror(suite)
    others = guest_suites(suite, uri)
    suites = (suite, *others)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar",
               "--include=" + ",".join(packages),
               "--aptopt=APT::Install-Recommends \"false\"",
               f"--aptopt=APT::Default-Release \"{suite}\"",
               "--aptopt=Acquire::Check-Valid-Until \"false\""]
    command += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    keys = [key for name in suites for key in sorted(
        glob.glob(f"/usr/share/keyrings/debian-archive-{name}-*.gpg"))]
    command += [f"--keyring={key}" for key in keys]
    command += [f"--customize-hook={config.SOURCE}/customize.sh \"$1\"",
                suite, str(target)]
    command += [f"deb {uri} {name} main" for name in suites]
    env = dict(os.environ, XEN_LAB_SRC=str(config.SOURCE),
               XEN_LAB_PROGRAM=program, XEN_LAB_SUITE=suite,
               XEN_LAB_XEN=config.XEN_OF[suite],
               XEN_LAB_GUEST_SUITES=" ".join(others))
    run(command, env=env)


def run(command, **options):
    """Run a build command; its output is shown only when it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors="replace", **options)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is missing; the lab needs the packages "
                       f"listed in {config.SOURCE}/packages") from error
    if done.returncode:
        raise LabError(f"{command[0]} failed ({done.returncode}):\n"
                       + "\n".join(done.stdout.splitlines()[-40:]))
    return done.stdout


class Cpio:
    """Writer for an initramfs, "newc" format."""

    def __init__(self):
        self.out = io.BytesIO()
        self.inode = 0
        self.names = set()

    def add(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev,
                  len(raw), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for piece in (header + raw, data):
            self.out.write(piece + bytes(-len(piece) % 4))

    def directory(self, name):
        if name and name not in self.names:
            self.directory(os.path.dirname(name))
            self.names.add(name)
            self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.directory(os.path.dirname(name))
        self.add(name, stat.S_IFREG | mode, data)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return self.out.getvalue()


def module_order(dep_text, wanted):
    """Module paths, dependencies first, from the text of modules.dep."""
    needs = {}
    for line in dep_text.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {os.path.basename(path)[:-3].replace("-", "_"): path
               for path in needs}
    order = []

    def visit(path):
        for need in needs[path]:
            visit(need)
        if path not in order:
            order.append(path)

    for name in wanted:
        if name in by_name:     # else it is built into the kernel
            visit(by_name[name])
    return order


def initramfs(read, wanted=INITRAMFS_MODULES):
    """The bytes of dom0's initramfs with these modules; read(path) gives files
    of the root."""
    version = read("boot/version").decode().strip()
    modules = f"lib/modules/{version}"
    order = module_order(read(f"{modules}/modules.dep").decode(),
                         wanted)
    cpio = Cpio()
    for name in ("bin", "dev", "proc", "image", "overlay", "root", "modules"):
        cpio.directory(name)
    cpio.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    cpio.file("bin/busybox", read("bin/busybox"), 0o755)
    for path in order:
        cpio.file("modules/" + os.path.basename(path),
                  read(f"{modules}/{path}"))
    names = "".join(os.path.basename(path) + "\n" for path in order)
    cpio.file("modules/order", names.encode())
    cpio.file("init", (config.SOURCE / "initramfs-init").read_bytes(), 0o755)
    return cpio.finish()


def build_image(suite, work):
    say(f"building the dom0 image of {suite} (about two minutes)")
    root = work / "root.tar"
    mmdebstrap("dom0", suite, root)
    with tarfile.open(root) as tar:
        def read(path):
            # From Debian 12 on all is below /usr, and links lead there.
            with contextlib.suppress(KeyError):
                return tar.extractfile("./" + path).read()
            return tar.extractfile("./usr/" + path).read()

        for name in ("xen", "vmlinuz"):
            (work / name).write_bytes(read("boot/" + name))
        key = work / "id_ed25519"
        key.touch(mode=0o600)
        key.write_bytes(read("root/.ssh/id_ed25519"))
        public = read("etc/ssh/ssh_host_ed25519_key.pub").decode().split()
        (work / "known_hosts").write_text(f"xen-lab {public[0]} {public[1]}\n")
        (work / "initramfs").write_bytes(initramfs(read))
    with open(root, "rb") as file:
        run(["mksquashfs", "-", str(work / "root.squashfs"), "-tar",
             "-comp", "lz4", "-no-progress", "-quiet"], stdin=file)
    root.unlink()
    pad(work / "root.squashfs")


def pad(disk):
    """To whole cylinders, without which Bochs takes no disk."""
    os.truncate(disk, -(-disk.stat().st_size // CYLINDER) * CYLINDER)


def image(suite=None):
    """The directory with xen, vmlinuz, initramfs, root.squashfs and keys, of a's
    suite if of none."""
    source = config.SOURCE
    suite = suite or config.suite()
    key = config.digest(*config.read_list("dom0.packages", suite), suite,
                        source / "customize.sh", source / "initramfs-init",
                        source / "rootfs", pathlib.Path(__file__))
    return config.generation("image", key, functools.partial(build_image, suite),
                             dependent="snapshot*")


def build_sysroot(suite, work):
    say(f"building the sysroot of {suite} (about half a minute)")
    tarball = work / "sysroot.tar"
    mmdebstrap("sysroot", suite, tarball)
    wanted = ("./lib/", "./lib64/", "./usr/include/", "./usr/lib/",
              "./usr/lib64/", "./usr/share/pkgconfig/")
    with tarfile.open(tarball) as tar:
        for member in tar:
            if (member.name + "/").startswith(wanted) and not member.isdev():
                tar.extract(member, work, numeric_owner=True)
    tarball.unlink()
    for name in ("usr/lib/systemd", "lib/systemd", "lib/udev", "usr/lib/apt"):
        shutil.rmtree(work / name, ignore_errors=True)


def sysroot():
    """A directory for --sysroot: what it builds runs in a dom0."""
    suite = config.suite()
    key = config.digest(*config.read_list("sysroot.packages", suite), suite,
                        config.SOURCE / "customize.sh", pathlib.Path(__file__))
    return config.generation("sysroot", key, functools.partial(build_sysroot, suite))
