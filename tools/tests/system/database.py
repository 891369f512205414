# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that serves a database, and clients that never pause.

The client runs in a dom0, and asks over the network between the hosts.  So it sees the
guest as a user does: also the stop, and how TCP prolongs it.
"""

import pathlib
import re
import subprocess
import tempfile
import time

import ledger
from guests import BUILT, PLACE, TREE, Guest
from moving import Process
from xenlab import config, database

ADDRESS = "10.0.0.10"
REDIS_PORT = 6379
CONTROL_PORT = 7
CLIENT_HOST = "a"
READY_LIMIT = 240
FILL_LIMIT = 300
CHECK_LIMIT = 600
CLIENT_PLACE = "/run/database-client"
PGBENCH_LOG = "/run/pgbench"
KV_LOG = "/run/kvload.log"
SCRIPT = TREE / "tools" / "tests" / "system" / "ledger.sql"
PARTITIONS = ("/dev/vdb1", "/dev/vdb2")


class DatabaseGuest(Guest):
    """`serves`: redis, redis-aof or postgres (xen/guests/database/start)."""

    beat_pattern = r"^\(d\d+\) lhb (\d+) .* e=(\d+)$"
    initramfs = f"{PLACE}/database.initramfs"

    def __init__(self, lab, serves, memory=160, name="database"):
        super().__init__(lab, name, memory)
        self.serves = serves

    def boot_config(self):
        return ('kernel = "/usr/lib/xen-lab/vmlinux"\n'
                f'ramdisk = "{self.initramfs}"\n'
                'tsc_mode = "native"\n'
                'cmdline = "console=hvc0 quiet oops=panic lpj=10000000 '
                'nowatchdog xen_lab.root=/dev/xvda '
                f'database={self.serves} address={ADDRESS}/24"\n'
                f'disk = [ "phy:{PARTITIONS[0]},xvda,r", '
                f'"phy:{PARTITIONS[1]},xvdb,w" ]\n'
                'vif = [ "mac=00:16:3e:00:00:10,bridge=xenbr0" ]\n')

    def write_config(self, host):
        """Only the host where the guest starts needs this; both hosts have the disk."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(database.guest_initramfs(config.suite(host)))
            file.flush()
            self.lab.put(host, pathlib.Path(file.name), self.initramfs)
        super().write_config(host)

    def write_disk(self):
        """Write the disk as it was prepared: another guest may have changed it."""
        made = database.database(BUILT)
        database.write_disk(made, self.lab.state / config.SHARED_DISK)
        for host in self.lab.hosts:
            self.lab.run(host, "blockdev --flushbufs /dev/vdb && "
                               "blockdev --rereadpt /dev/vdb")

    def start(self, host, options=""):
        self.write_disk()
        super().start(host, options)
        self.wait(r"^\(d\d+\) database ready", self.created, READY_LIMIT)
        self.wait_beat()
        return self

    def restart_database(self):
        """Kill the server, and start it with nothing but what the disk has."""
        said = self.lab.run(
            CLIENT_HOST, f"socat -t {READY_LIMIT} - TCP:{ADDRESS}:{CONTROL_PORT}",
            timeout=READY_LIMIT * self.lab.patience).stdout
        assert said.strip().endswith("restarted"), said


def clock_of(lab, host):
    """How far the host's seconds since 1970 are ahead of the lab's own time, by the
    quickest of five questions: exact to a tenth of a second."""
    tries = []
    for _ in range(5):
        before = time.monotonic()
        there = float(lab.run(host, "date +%s.%N").stdout)
        after = time.monotonic()
        tries.append((after - before, there - (before + after) / 2))
    return min(tries)[1]


class Client:
    """What both clients have in common.  `requests` are there after finish()."""

    def __init__(self, lab, tool):
        """tool(name): where the host has this program."""
        self.lab = lab
        self.tool = tool
        self.process = None
        self.requests = None        # [(when it ended, s; how long it took, s)]
        self.wrong = []

    def read_requests(self, stamps):
        """stamps: [(seconds since 1970 when it ended, how long it took)]"""
        ahead = clock_of(self.lab, CLIENT_HOST)
        self.requests = sorted((ended - ahead, took) for ended, took in stamps)

    def assert_right(self):
        assert not self.wrong, "\n".join(self.wrong)


class KvClient(Client):
    """kvload: options are its own, as keys=10000."""

    def __init__(self, lab, tool, **options):
        super().__init__(lab, tool)
        self.options = options
        self.connections = None

    def start(self):
        words = " ".join(f"{name}={value}" for name, value in self.options.items())
        self.process = Process(
            self.lab, CLIENT_HOST, f"exec {self.tool('kvload')} {ADDRESS} "
            f"{REDIS_PORT} {KV_LOG} {words}", stdin=subprocess.PIPE)
        self.process.wait_output("^running", FILL_LIMIT)
        return self

    def _order(self, text):
        self.process.process.stdin.write(text + "\n")
        self.process.process.stdin.flush()

    def finish(self):
        """Makes the client compare all keys, and end."""
        self._order("check")
        self._order("end")
        status = self.process.finish(CHECK_LIMIT)
        said = self.process.output
        self.wrong = re.findall(r"(?m)^WRONG.*$", said)
        assert status == 0 or self.wrong, f"kvload ended with {status}:\n{said}"
        self.connections = int(re.search(r"connections (\d+)$", said)[1])
        log = self.lab.run(CLIENT_HOST, ["cat", KV_LOG]).stdout
        self.read_requests([(int(words[0]) / 1e6, int(words[1]) / 1e6)
                            for words in map(str.split, log.splitlines())])


class PgClient(Client):
    """pgbench, which runs ledger.sql as this number of clients."""

    def __init__(self, lab, tool=None, clients=2):
        super().__init__(lab, tool)
        self.clients = clients

    def _command(self, program, words):
        return (f"{CLIENT_PLACE}/ld.so --library-path {CLIENT_PLACE} "
                f"{CLIENT_PLACE}/{program} -h {ADDRESS} -U postgres {words}")

    def _send(self):
        """Send the programs, which are of the guest's release, with their libraries."""
        if not self.lab.run(CLIENT_HOST, f"test -e {CLIENT_PLACE}/psql",
                            check=False).returncode:
            return
        made = database.database(BUILT) / "client"
        packed = subprocess.run(["tar", "-C", str(made), "-cz", "."], check=True,
                                stdout=subprocess.PIPE).stdout
        with tempfile.NamedTemporaryFile() as file:
            file.write(packed)
            file.flush()
            self.lab.put(CLIENT_HOST, pathlib.Path(file.name), f"{CLIENT_PLACE}.tar")
        self.lab.run(CLIENT_HOST, f"mkdir {CLIENT_PLACE} && tar -xz -C {CLIENT_PLACE} "
                                  f"-f {CLIENT_PLACE}.tar && rm {CLIENT_PLACE}.tar")
        self.lab.put(CLIENT_HOST, SCRIPT, f"{CLIENT_PLACE}/{SCRIPT.name}")

    def start(self):
        """The client never ends by itself: with -T it ends well by the signal that its
        own clock would send."""
        self._send()
        self.lab.run(CLIENT_HOST, f"rm -f {PGBENCH_LOG}.*")
        command = self._command(
            "pgbench", f"-n -f {CLIENT_PLACE}/{SCRIPT.name} -D n=0 -c {self.clients} "
            f"-j 1 -T 100000 -P 1 -l --log-prefix={PGBENCH_LOG} postgres")
        self.process = Process(self.lab, CLIENT_HOST,
                               f"echo $$ > {PGBENCH_LOG}.pid; exec {command}")
        self.process.wait_output("^progress: .* tps", FILL_LIMIT)
        return self

    def psql(self, query):
        return self.lab.run(CLIENT_HOST, self._command(
            "psql", f'-At -c "{query}" postgres')).stdout

    def check(self):
        """Compares what is stored now with what was acknowledged until finish()."""
        self.wrong += ledger.check(self.counts, self.psql(ledger.ROWS),
                                   self.psql(ledger.SUMS))

    def finish(self):
        """End the client, and check."""
        self.lab.run(CLIENT_HOST, f"kill -ALRM $(cat {PGBENCH_LOG}.pid)")
        status = self.process.finish(CHECK_LIMIT)
        said = self.process.output
        self.wrong = re.findall(r"(?m)^pgbench: error.*$", said)
        assert status == 0 or self.wrong, f"pgbench ended with {status}:\n{said}"
        log = self.lab.run(CLIENT_HOST, f"cat {PGBENCH_LOG}.[0-9]*").stdout
        done = ledger.acknowledged(log)
        self.counts = {}
        for client, _, _ in done:
            self.counts[client] = self.counts.get(client, 0) + 1
        self.read_requests([(ended, took) for _, ended, took in done])
        self.check()
