#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An example of a binding of libxenlight-postcopy, by ctypes alone, and of a
program that uses it.

  live_migrate.py list                      migrations of this host, as JSON
  live_migrate.py can-receive [CONFIG]      could a guest come here?  CONFIG: a
                                            file of libxl's JSON
  live_migrate.py receive PORT [COUNT]      take so many guests (1), one by one
  live_migrate.py send DOMAIN HOST PORT     move it there by postcopy

The program speaks to itself and to migrationd.c, the example in C, and like that it
neither
encrypts nor asks who connects.

What the library's enumerations and structures look like it reads out of the
installed header: $LIVE_MIGRATE_HEADER, or libxl_live_migrate.h where C compilers
look. $LIVE_MIGRATE_LIBRARY is another library.
"""

import ctypes
import enum
import json
import os
import pathlib
import re
import socket
import struct
import sys
import threading

HEADER = "libxl_live_migrate.h"
LIBRARY = "libxenlight-postcopy.so.1"
CONFIG_MAX = 1 << 20
INVALID_DOMID = 0xffffffff

# libxl has no function that allocates one, and its size is the release's: more
# than any has.
CONFIG_ROOM = 1 << 16

PROGRESS = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
DONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Asynchronously(ctypes.Structure):
    """libxl_asyncop_how with a callback."""
    _fields_ = [("callback", DONE), ("data", ctypes.c_void_p)]


class Error(Exception):
    """A call has failed: the libxl error, and the library's line about it."""

    def __init__(self, rc, reason):
        super().__init__(f"{reason} (libxl error {rc})")
        self.rc = rc
        self.reason = reason


# ---- the header ----

SCALARS = {
    "bool": ctypes.c_bool, "char": ctypes.c_char, "int": ctypes.c_int,
    "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
}
FIELD = re.compile(r"(?:const )?(?:struct )?(\w+) (\*?)(\w+)(?:\[([^]]+)\])?;")


class Header:
    """Its numbers, enumerations and structures, without the libxl_live_migrate_
    before their names."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.numbers = {name: int(value) for name, value in re.findall(
            r"^#define (\w+) (\d+)$", text, re.M)}
        self.lists = {name: re.findall(r'X\((?:[A-Z]+, )?(\w+), "', rows)
                      for name, rows in re.findall(
                          r"^#define (\w+)\(X\) ((?:.*\\\n)*.*)", text, re.M)}
        self.types = dict(SCALARS)
        self.enumerations = {}
        for kind, name, body in re.findall(
                r"typedef (enum|struct) libxl_live_migrate_(\w+) \{(.*?)\n\}",
                text, re.S):
            if kind == "enum":
                self.add_enumeration(name, body)
            else:
                self.add_structure(name, body)

    def add_enumeration(self, name, body):
        prefix = f"LIBXL_LIVE_MIGRATE_{name.upper()}_"
        self.enumerations[name] = enum.IntEnum(name, {
            enumerator[len(prefix):]: int(value) for enumerator, value in
            re.findall(r"(\w+) = (\d+)", body)})
        self.types[f"libxl_live_migrate_{name}"] = ctypes.c_int

    def type_of(self, name, pointer):
        if not pointer:
            return self.types[name]
        if name == "char":
            return ctypes.c_char_p
        if name == "libxl_live_migrate_progress":
            return PROGRESS
        return ctypes.c_void_p

    def length_of(self, text):
        """The length of an array: a number, or the room that a list of counters
        leaves."""
        most, _, of = text.partition(" - LIBXL_LIVE_MIGRATE_NR_")
        length = self.numbers.get(most) or int(most)
        return length - len(self.lists.get("LIBXL_LIVE_MIGRATE_" + of, []))

    def add_structure(self, name, body):
        fields = []
        body = re.sub(r"\s+", " ", re.sub(r"(?m)^#.*", "", body))
        body = re.sub(r"(\w+)\(LIBXL_LIVE_MIGRATE_FIELD_\)", lambda found: "".join(
            f"uint64_t {field};" for field in self.lists[found[1]]), body)
        for base, pointer, field, length in FIELD.findall(body):
            kind = self.type_of(base, pointer)
            if length:
                kind *= self.length_of(length)
            fields.append((field, kind))
        self.types[f"libxl_live_migrate_{name}"] = type(
            name, (ctypes.Structure,), {"_fields_": fields})

    def make(self, name):
        return self.types[f"libxl_live_migrate_{name}"]()


def read_header(path):
    """With what it includes from beside it."""
    path = pathlib.Path(path)
    return re.sub(r'^#include "(\w+\.h)"$', lambda found: read_header(
        path.parent / found[1]), path.read_text(encoding="utf-8"), flags=re.M)


def find_header():
    places = [os.environ.get("LIVE_MIGRATE_HEADER", "")]
    places += [f"{place}/include/{HEADER}" for place in ("/usr/local", "/usr")]
    for place in places:
        if place and os.path.exists(place):
            return read_header(place)
    raise SystemExit(f"live_migrate: no {HEADER}: install it, or name it with "
                     "LIVE_MIGRATE_HEADER")


class Library:
    """The functions, and what the header says of them."""

    def __init__(self, library=None, header=None):
        # libxl's own functions are found behind it.
        self.c = ctypes.CDLL(
            library or os.environ.get("LIVE_MIGRATE_LIBRARY", LIBRARY))
        self.header = Header(header or find_header())
        self.c.libxl_live_migrate_status_to_json.restype = ctypes.c_void_p
        self.c.libxl_domain_config_to_json.restype = ctypes.c_void_p
        self.c.xtl_createlogger_stdiostream.restype = ctypes.c_void_p
        for name in self.header.enumerations:
            self.function(name + "_to_string").restype = ctypes.c_char_p
        self.free = ctypes.CDLL(None).free
        self.free.argtypes = [ctypes.c_void_p]

    def function(self, name):
        return getattr(self.c, "libxl_live_migrate_" + name)

    def name(self, enumeration, value):
        """None: the library has no name for it."""
        name = self.function(enumeration + "_to_string")(value)
        return name and name.decode()

    def value(self, enumeration, name):
        value = ctypes.c_int()
        if self.function(enumeration + "_from_string")(
                name.encode(), ctypes.byref(value)):
            raise ValueError(f"no {enumeration} is called {name}")
        return self.header.enumerations[enumeration](value.value)

    def take_text(self, pointer):
        """The text of a string that the caller must free; frees it."""
        if not pointer:
            raise MemoryError
        try:
            return ctypes.string_at(pointer).decode()
        finally:
            self.free(pointer)

    def list(self):
        """Each migration that is shown on this host, as xl's JSON has it."""
        statuses = ctypes.POINTER(
            self.header.types["libxl_live_migrate_status"])()
        count = ctypes.c_int()
        rc = self.function("list")(ctypes.byref(statuses), ctypes.byref(count))
        if rc:
            raise Error(rc, "xenstore does not work")
        try:
            return [json.loads(self.take_text(
                self.function("status_to_json")(ctypes.byref(statuses[i]))))
                    for i in range(count.value)]
        finally:
            self.function("status_list_free")(statuses, count)


# ---- a host, and what moves ----

class Host:
    """A ctx of libxl. Any number of guests may move from and to it."""

    def __init__(self, library, ctx=None, logger=None):
        self.library = library
        self.logger = logger or self.log_to_stderr()
        self.ctx = ctx or self.open()

    def log_to_stderr(self):
        stderr = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
        return ctypes.c_void_p(
            self.library.c.xtl_createlogger_stdiostream(stderr, 6, 2))

    def open(self):
        ctx = ctypes.c_void_p()
        if self.library.c.libxl_ctx_alloc(ctypes.byref(ctx), 0, 0, self.logger):
            raise SystemExit("live_migrate: no libxl: is this a dom0?")
        return ctx

    def config_of(self, text):
        """A libxl_domain_config of libxl's JSON."""
        config = ctypes.create_string_buffer(CONFIG_ROOM)
        self.library.c.libxl_domain_config_init(config)
        rc = self.library.c.libxl_domain_config_from_json(
            self.ctx, config, text.encode())
        if rc:
            raise Error(rc, "libxl does not understand the configuration")
        return config

    def read_config(self, domid):
        """Of a domain, as JSON."""
        config = ctypes.create_string_buffer(CONFIG_ROOM)
        self.library.c.libxl_domain_config_init(config)
        rc = self.library.c.libxl_retrieve_domain_configuration(
            self.ctx, domid, config, None)
        if rc:
            raise Error(rc, "the domain's configuration cannot be read")
        text = self.library.take_text(
            self.library.c.libxl_domain_config_to_json(self.ctx, config))
        self.library.c.libxl_domain_config_dispose(config)
        return text

    def domid(self, name):
        domid = ctypes.c_uint32()
        rc = self.library.c.libxl_name_to_domid(self.ctx, name.encode(),
                                                ctypes.byref(domid))
        if rc:
            raise Error(rc, f"there is no domain {name}")
        return domid.value

    def destroy(self, domid):
        rc = self.library.c.libxl_domain_destroy(self.ctx, domid, None)
        if rc:
            raise Error(rc, f"domain {domid} cannot be destroyed")

    def can_receive(self, config=None, **params):
        """The readiness: its obstacle is NONE, or its reason says what is in the
        way."""
        readiness = self.library.header.make("readiness")
        self.library.function("can_receive")(
            self.ctx, self.config_of(config) if config else None,
            ctypes.byref(self.make_params("receive_params", params)),
            ctypes.byref(readiness))
        return readiness

    def make_params(self, kind, values):
        params = self.library.header.make(kind)
        self.library.function(kind + "_init")(ctypes.byref(params))
        params.logger = self.logger
        for name, value in values.items():
            if not hasattr(params, name):
                raise TypeError(f"{kind} has no {name}")
            setattr(params, name,
                    value.encode() if isinstance(value, str) else value)
        return params

    def send(self, domid, fd, **params):
        return Sending(self, domid, fd, params)

    def receive(self, config, fd, **params):
        return Receiving(self, config, fd, params)


class Migration:
    """A call under way in a thread of the library's, until wait()."""
    KIND = ""

    def __init__(self, host, fd, params):
        self.host = host
        self.library = host.library
        self.fd = fd
        self.phases = []
        self.result = self.library.header.make("result")
        # Whose the guest is when the call fails: see each end's wait().
        self.moved = ctypes.c_bool()
        self.rc = None
        self.done = threading.Event()
        # What the library has pointers to has to stay until it calls back.
        self.abort_fds = os.pipe()
        self.progress = PROGRESS(self.note_progress)
        self.how = Asynchronously(DONE(self.note_done), None)
        self.params = host.make_params(self.KIND, {
            "abort_fd": self.abort_fds[0], "progress": self.progress, **params})
        rc = self.start()
        if rc:
            self.close()
            raise Error(rc, self.result.reason.decode())

    def start(self):
        raise NotImplementedError

    def note_progress(self, phase, _stats, _user):
        name = self.library.name("phase", phase)
        if self.phases[-1:] != [name]:
            self.phases.append(name)

    def note_done(self, _ctx, rc, _user):
        self.rc = rc
        self.done.set()

    def abort(self):
        """Give up, as long as that is safe; wait() says whether it was."""
        os.write(self.abort_fds[1], b"!")

    def close(self):
        for fd in self.abort_fds:
            os.close(fd)

    def wait(self):
        """The result. Raises Error; `moved` then says whose the guest is."""
        self.done.wait()
        self.close()
        if self.rc:
            raise Error(self.rc, self.result.reason.decode())
        return self.result


class Sending(Migration):
    """After an Error: not moved, the guest runs here as before; moved, it may run
    there, and its domain here must be kept as it is, for xl migrate-recover. After
    success its domain here must be destroyed."""
    KIND = "params"

    def __init__(self, host, domid, fd, params):
        self.domid = domid
        super().__init__(host, fd, {
            "strategy": host.library.value("strategy", "postcopy"), **params})

    def start(self):
        return self.library.c.libxl_domain_live_migrate_tuned(
            self.host.ctx, self.domid, self.fd, 0, self.fd,
            ctypes.byref(self.params), ctypes.byref(self.result),
            ctypes.byref(self.moved), ctypes.byref(self.how))


class Receiving(Migration):
    """After an Error: not moved, nothing of the guest is here; moved, it runs here,
    is the only copy, and must never be destroyed by a program."""
    KIND = "receive_params"

    def __init__(self, host, config, fd, params):
        self.config = host.config_of(config)
        self.received = ctypes.c_uint32()
        super().__init__(host, fd, params)

    @property
    def domid(self):
        return self.received.value

    def start(self):
        return self.library.c.libxl_domain_live_migrate_receive(
            self.host.ctx, self.config, ctypes.byref(self.received), self.fd,
            self.fd, ctypes.byref(self.params), ctypes.byref(self.result),
            ctypes.byref(self.moved), ctypes.byref(self.how))

    def wait(self):
        try:
            return super().wait()
        finally:
            self.library.c.libxl_domain_config_dispose(self.config)


# ---- the program ----

def incoming(config):
    """The guest's name, and a configuration to build it with: under another name,
    as both ends may be one host, and with a number of its own."""
    config = json.loads(config)
    name = config["c_info"]["name"]
    config["c_info"]["name"] = name + "--incoming"
    config["c_info"]["domid"] = INVALID_DOMID
    return name, json.dumps(config)


def receive_config(connection):
    length, = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
    if length > CONFIG_MAX:
        raise ValueError("a configuration of %d octets" % length)
    return connection.recv(length, socket.MSG_WAITALL).decode()


def receive(host, port, count):
    listening = socket.create_server(("", port))
    print("ready", flush=True)
    for _ in range(count):
        connection, _ = listening.accept()
        with connection:
            name, config = incoming(receive_config(connection))
            readiness = host.can_receive(config)
            if readiness.obstacle:
                print(f"failed {name}: {readiness.reason.decode()}", flush=True)
                continue
            host.receive(config, connection.fileno(), final_name=name).wait()
            print(f"received {name}", flush=True)


def send(host, name, there, port):
    domid = host.domid(name)
    with socket.create_connection((there, port)) as connection:
        config = host.read_config(domid).encode()
        connection.sendall(struct.pack("!I", len(config)) + config)
        sending = host.send(domid, connection.fileno())
        sending.wait()
        # Only now: there it has all of its memory.
        host.destroy(domid)
        print(f"sent {name}: {', '.join(sending.phases)}", flush=True)


def can_receive(host, path):
    config = pathlib.Path(path).read_text(encoding="utf-8") if path else None
    readiness = host.can_receive(config)
    print(readiness.reason.decode() if readiness.obstacle else "yes")
    return bool(readiness.obstacle)


def main(words):
    library = Library()
    try:
        if words == ["list"]:
            print(json.dumps(library.list()))
        elif words[:1] == ["can-receive"] and len(words) <= 2:
            return can_receive(Host(library), words[1] if words[1:] else None)
        elif words[:1] == ["receive"] and len(words) in (2, 3):
            receive(Host(library), int(words[1]), int((words + ["1"])[2]))
        elif words[:1] == ["send"] and len(words) == 4:
            send(Host(library), words[1], words[2], int(words[3]))
        else:
            print(__doc__.strip(), file=sys.stderr)
            return 2
    except (Error, OSError, ValueError) as error:
        print(f"live_migrate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
