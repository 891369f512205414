# SPDX-License-Identifier: LGPL-2.1-or-later
"""An sshd of our own, without a network: what is measured is ssh's cryptography and
its processes."""

import os
import pathlib
import shlex
import subprocess

SSHD_CONFIG = """\
HostKey {where}/host
AuthorizedKeysFile {where}/user.pub
StrictModes no
UsePAM no
PidFile none
"""


class Ssh:
    """The sshd, with keys that are made for this; and why there is none."""

    def __init__(self, where):
        self.where = where
        self.sshd = os.environ.get("SSHD", "/usr/sbin/sshd")
        self.why = None
        if not os.access(self.sshd, os.X_OK):
            self.why = f"this machine has no {self.sshd}"
            return
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-f", f"{where}/{name}"], check=True)
        pathlib.Path(where, "sshd").write_text(SSHD_CONFIG.format(where=where))

    def command(self, remote=(), options=()):
        """For a shell: ssh that runs the words of `remote`."""
        proxy = shlex.join([self.sshd, "-i", "-f", f"{self.where}/sshd"])
        return shlex.join(
            ["ssh", "-F", "none", "-T", "-i", f"{self.where}/user",
             "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
             "-o", f"UserKnownHostsFile={self.where}/known",
             "-o", f"ProxyCommand={proxy}", *options, "localhost",
             *([shlex.join(remote)] if remote else [])])
