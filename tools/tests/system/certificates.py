# SPDX-License-Identifier: LGPL-2.1-or-later
"""A CA and certificates for hosts, by the openssl command. They hold for decades, as a
host from a snapshot has the time of that."""

import pathlib
import subprocess

FILES = ("ca-cert.pem", "server-cert.pem", "server-key.pem", "client-cert.pem",
         "client-key.pem")
START, END = "20000101000000Z", "20491231235959Z"
PURPOSES = {"server": "serverAuth", "client": "clientAuth"}

CONFIG = """\
[ca]
default_ca = this
[this]
database = index
serial = serial
new_certs_dir = .
certificate = ca-cert.pem
private_key = ca-key.pem
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = keyCertSign, cRLSign
[host]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = {purpose}
subjectAltName = {names}
"""


class Authority:
    """In a directory, where it has its files and leaves those that it makes."""

    def __init__(self, where, name="CA"):
        self.where = pathlib.Path(where)
        (self.where / "index").write_text("")
        (self.where / "serial").write_text("01\n")
        self._request("ca", name)
        self._sign("ca", "authority", END, "-selfsign", "-keyfile", "ca-key.pem")

    def make(self, end, *names, until=END):
        """The certificate of a "server" or a "client" and its key. Names are those of
        hosts, or addresses."""
        alternatives = ",".join(
            ("IP:" if name.replace(".", "").isdigit() else "DNS:") + name
            for name in names)
        self._request(end, names[0])
        self._sign(end, "host", until, purpose=PURPOSES[end], names=alternatives)

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.where, check=True,
                       capture_output=True)

    def _request(self, end, name):
        key = self.where / f"{end}-key.pem"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-out", key.name)
        key.chmod(0o600)
        self._openssl("req", "-new", "-key", key.name, "-subj", f"/CN={name}",
                      "-out", "request.pem")

    def _sign(self, end, extensions, until, *words, purpose="serverAuth",
              names="DNS:none"):
        (self.where / "config").write_text(
            CONFIG.format(purpose=purpose, names=names))
        self._openssl("ca", "-batch", "-notext", "-config", "config",
                      "-extensions", extensions, "-startdate", START,
                      "-enddate", until, "-in", "request.pem", *words,
                      "-out", f"{end}-cert.pem")
