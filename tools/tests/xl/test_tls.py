#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of xl migrate-connect, the program itself, with a listener by another library:
Python's OpenSSL."""

import array
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(TOP / "tools/tests/system"))
from certificates import Authority              # noqa: E402

XL = os.environ.get("XL") or TOP / "build/xl"
PROTOCOL = "xen-postcopy/1"
LIMIT = 60          # seconds; a longer wait is a failure

@unittest.skipUnless(shutil.which("openssl"), "this machine has no openssl")
@unittest.skipUnless(pathlib.Path(XL).exists(), "xl is not built")
class Connect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.files = pathlib.Path(directory.name)
        authority = Authority(cls.files)
        authority.make("server", "localhost")
        authority.make("client", "source")

    def setUp(self):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(self.files / "ca-cert.pem")
        self.context.load_cert_chain(self.files / "server-cert.pem",
                                     self.files / "server-key.pem")
        self.context.set_alpn_protocols([PROTOCOL])
        self.context.num_tickets = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        self.addCleanup(self.listener.close)

    def accept(self):
        """The other end's connection; or why there is none."""
        plain, _ = self.listener.accept()
        plain.settimeout(LIMIT)
        try:
            tls = self.context.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError) as error:
            plain.close()
            return error
        self.addCleanup(tls.close)
        return tls

    def connect(self, *options, host="localhost", stdout=subprocess.PIPE):
        port = self.listener.getsockname()[1]
        process = subprocess.Popen(
            [XL, "migrate-connect", f"--tls={self.files}", *options,
             f"{host}:{port}"],
            stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE)

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def said(self, process):
        _, text = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 1, text)
        return text.decode()

    def test_octets_go_both_ways(self):
        process = self.connect()
        tls = self.accept()
        self.assertIsInstance(tls, ssl.SSLSocket, tls)
        self.assertEqual(tls.version(), "TLSv1.3")
        self.assertEqual(tls.getpeercert()["subject"],
                         ((("commonName", "source"),),))
        tls.sendall(b"W")
        tls.sendall(b"greeting")
        self.assertEqual(process.stdout.read(8), b"greeting")
        process.stdin.write(b"a guest")
        process.stdin.close()
        process.stdin = None
        text = b""
        while len(text) < 7:
            text += tls.recv(16)
        self.assertEqual(text, b"a guest")
        self.assertEqual(tls.recv(1), b"")      # its last word
        threading.Thread(target=tls.unwrap, daemon=True).start()
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual((out, err, process.returncode), (b"", b"", 0))

    def test_what_is_cut(self):
        process = self.connect()
        tls = self.accept()
        tls.sendall(b"W")
        tls.sendall(b"last")
        self.assertEqual(process.stdout.read(4), b"last")
        tls.shutdown(socket.SHUT_RDWR)          # and no close_notify
        self.assertIn("localhost was cut", self.said(process))

    def test_a_refusal_is_shown(self):
        process = self.connect()
        self.accept().sendall(b"Rno name\x1b[2J of yours")
        said = self.said(process)
        self.assertIn("no name", said)
        self.assertIn("of yours", said)
        self.assertNotIn("\x1b", said)

    def test_a_word_that_is_none(self):
        process = self.connect()
        self.accept().sendall(b"xl postcopy migration receiver")
        self.assertIn("closed the connection", self.said(process))

    def test_another_name(self):
        process = self.connect("--tls-hostname", "elsewhere")
        self.assertIsInstance(self.accept(), ssl.SSLError)
        self.assertIn("is for another name (localhost)", self.said(process))

    def test_an_address_by_its_name(self):
        process = self.connect("--tls-hostname", "localhost",
                               host="127.0.0.1")
        self.assertIsInstance(self.accept(), ssl.SSLSocket)
        process.kill()

    def test_an_old_listener(self):
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        process = self.connect()
        self.assertIsInstance(self.accept(), (ssl.SSLError, OSError))
        self.assertIn("does not speak TLS 1.3", self.said(process))

    def test_a_listener_without_tls(self):
        process = self.connect()
        plain, _ = self.listener.accept()
        self.addCleanup(plain.close)
        plain.sendall(b"xl postcopy migration receiver ready, version 1\n")
        self.assertIn("answers without TLS", self.said(process))

    def test_nobody_listens(self):
        self.listener.close()
        process = subprocess.run(
            [XL, "migrate-connect", f"--tls={self.files}", "localhost:1"],
            capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(process.returncode, 1)
        self.assertIn("cannot connect to localhost, port 1", process.stderr)

    def test_who_has_started_it_is_told_first(self):
        """What xl migrate --tls waits for: an octet, with the connection itself
        where the kernel does TLS."""
        here, there = socket.socketpair()
        self.addCleanup(here.close)
        here.settimeout(LIMIT)
        process = self.connect("--pass-fd", stdout=there)
        there.close()
        tls = self.accept()
        tls.sendall(b"W")
        word, rights, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
        self.assertEqual(word, b"C")
        tls.sendall(b"greeting")
        if rights:
            fd = array.array("i", rights[0][2])[0]
            here = socket.socket(fileno=fd)
            self.addCleanup(here.close)
            self.assertEqual(process.wait(timeout=LIMIT), 0)
        self.assertEqual(here.recv(8), b"greeting")


if __name__ == "__main__":
    unittest.main()
