# SPDX-License-Identifier: LGPL-2.1-or-later
"""A root of a Debian release, with all that building for it needs, kept in the
cache; and commands in it."""

import glob
import os
import shlex
import tarfile

from . import config, image

TREE = config.SOURCE.parents[1]
LISTS = (TREE / "scripts" / "packages.root",
         config.SOURCE / "packages.hypervisor")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*",
            "/usr/share/info/*")


def keyrings():
    """What Debian's releases, old ones too, are signed with."""
    return sorted(glob.glob("/usr/share/keyrings/debian-archive-*.gpg"))


def packages(suite):
    return sorted({name for file in LISTS
                   for name in config.read_list(file, suite)})


def build(suite, work):
    config.say(f"building a root of {suite} (about a minute)")
    tarball = work / "root.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar",
               "--include=" + ",".join(packages(suite)),
               '--aptopt=APT::Install-Recommends "false"',
               '--aptopt=Acquire::Check-Valid-Until "false"',
               "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    command += [f"--keyring={key}" for key in keyrings()]
    command += [suite, str(tarball), f"deb {image.mirror(suite)} {suite} main"]
    image.run(command)
    with tarfile.open(tarball) as tar:
        for member in tar:
            if not member.isdev():
                tar.extract(member, work, numeric_owner=True)
    tarball.unlink()


def path(suite):
    key = config.digest(*packages(suite), *LEFT_OUT)
    return config.generation(f"root-{suite}", key,
                             lambda work: build(suite, work))


def command(suite, words, directories):
    """The argument vector of a command in the root, and what marks the root as
    used until it is closed. The command starts in the first of `directories`,
    each of which is there at its own path."""
    place = path(suite)
    lock = config.use(place)
    os.set_inheritable(lock.fileno(), True)
    outside = shlex.quote(str(place))
    script = "set -e\n"
    for directory in map(shlex.quote, map(str, directories)):
        script += (f"mkdir -p {outside}{directory}\n"
                   f"mount --bind {directory} {outside}{directory}\n")
    for directory in ("dev", "proc", "sys"):
        script += f"mount --rbind /{directory} {outside}/{directory}\n"
    script += (f"exec chroot {outside} env -i "
               f"PATH={PATH} LC_ALL=C.UTF-8 HOME=/ "
               "sh -c 'cd \"$0\" && exec \"$@\"' "
               f"{shlex.join([str(directories[0]), *words])}")
    unshare = ["unshare", "--mount"]
    if os.getuid():
        unshare.append("--map-root-user")
    return [*unshare, "sh", "-c", script], lock


def run(suite, words, directories):
    """Run it; its output is returned, and shown only when it fails."""
    argv, lock = command(suite, words, directories)
    with lock:
        return image.run(argv)
