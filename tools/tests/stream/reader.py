# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges both directions of a migration's stream, and of its fault channel, by
docs/specs/libx?-migration-stream.

Written from these two pages and from nothing else: the first one's table of
records is read, and what the text says about each record is here once more.  The
C code is not looked at.
"""

import pathlib
import re
import struct
from itertools import accumulate

SPEC = (pathlib.Path(__file__).resolve().parents[3] /
        "docs/specs/libxc-migration-stream.pandoc")
PAGE = 4096
MOST_PUSHED = 128
MOST_FAULTS = 64
STATS = struct.Struct("<12Q32Q2I")
LIBXL_TRANSITION_END, LIBXL_END = 6, 0
LOST = 5                        # a state of the guest
WITH_CONTENTS = ("PAGE_DATA", "POSTCOPY_PAGE_DATA", "POSTCOPY_COMPRESSED")
INSTEAD = ("POSTCOPY_ZERO_PAGES", "POSTCOPY_REPEATED_PAGES")
REQUESTS = ("POSTCOPY_FAULT", "POSTCOPY_URGENT")
# Between any two others.
ALIVE = ("POSTCOPY_DST_ALIVE", "POSTCOPY_SRC_ALIVE", "POSTCOPY_EVICT_TIME")


class Bad(Exception):
    """What the page does not allow."""


class Cut(Bad):
    """The stream ends within something."""


def size_of_frame(frame):
    """The size of the contents, by the header of a frame of RFC 8878; None: it has
    none, or there is another header, or a dictionary."""
    if len(frame) < 6 or frame[:4] != b"\x28\xb5\x2f\xfd":
        return None
    descriptor = frame[4]
    single = descriptor >> 5 & 1
    octets = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    if descriptor & 3 or not octets:
        return None
    at = 5 + (not single)
    size = int.from_bytes(frame[at:at + octets], "little")
    return size + 256 if octets == 2 else size


def rows_of(spec, heading):
    rows, inside = [], False
    for line in spec.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif inside and not set(line) <= set("|- :"):
            rows.append(cells)
        elif cells == heading:
            inside = True
    return rows


class Spec:
    def __init__(self, path=SPEC):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        self.records = {}
        for number, name, way, where, octets in rows_of(
                text, ["type", "name", "way", "legal in", "octets"]):
            least, _, most = octets.partition("-")
            self.records[int(number, 0)] = (
                name, way, {state.strip() for state in where.split(",")},
                int(least), int(most or least))
        self.lists = set(re.findall(    # from its heading to the first sentence's end
            r"^### (\w+)\n[^.]*?\blist \(section 3\)", text, re.M))
        limits = {name: int(value, 0) for name, value, _ in rows_of(
            text, ["name", "value", "of what"])}
        self.batch = limits["XLM_BATCH_PAGES"]
        self.list = limits["XLM_LIST_PFNS"]
        self.streams = limits["XLM_STREAMS_MOST"]
        self.types = {int(number, 0): contents == "one page"
                      for number, _, contents in rows_of(
                          text, ["type", "name", "contents"])}


class Octets:
    def __init__(self, octets):
        self.octets = octets
        self.at = 0

    def take(self, count, what):
        if self.at + count > len(self.octets):
            raise Cut(f"the stream ends within {what}")
        self.at += count
        return self.octets[self.at - count:self.at]

    def unpack(self, layout, what):
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def record(self, what):
        """A record's type and body; its padding is zeroes."""
        kind, length = self.unpack("<II", what)
        body = self.take(length, what)
        if any(self.take(-length % 8, what)):
            raise Bad("padding that is not zero")
        return kind, body

    def left(self):
        return len(self.octets) - self.at


class Way:
    """The state of one direction, and what its records have said so far."""

    def __init__(self, spec, way, state):
        self.spec = spec
        self.way = way
        self.state = state
        self.pfns = 1 << 31

    def checked(self, kind, body):
        """The record's name, or None for one to be skipped."""
        if kind not in self.spec.records:
            if kind & 1 << 31:
                return None
            raise Bad(f"record type {kind:#x}, which is unknown")
        name, way, states, least, most = self.spec.records[kind]
        if way != self.way:
            raise Bad(f"{name} goes the other way")
        if self.state not in states:
            raise Bad(f"{name} in the state {self.state}")
        if not least <= len(body) <= most:
            raise Bad(f"{name} of {len(body)} octets")
        return name

    def entries(self, name, body):
        """The (pfn, has contents) of a list."""
        count, reserved = struct.unpack_from("<II", body)
        paged = name in WITH_CONTENTS
        most = self.spec.batch if paged or name in INSTEAD else self.spec.list
        if reserved or len(body) < 8 + 8 * count or count > most:
            raise Bad(f"{name}: its count is {count}")
        if not count and name != "POSTCOPY_EVICTED":
            raise Bad(f"{name} is empty")
        result = []
        for (entry,) in struct.iter_unpack("<Q", body[8:8 + 8 * count]):
            kind, zero, pfn = (entry >> 60, entry >> 52 & 0xff,
                               entry & (1 << 52) - 1)
            if zero or pfn >= self.pfns or kind not in self.spec.types or (
                    kind and not paged):
                raise Bad(f"{name}: the entry {entry:#x}")
            result.append((pfn, paged and self.spec.types[kind]))
        if len({pfn for pfn, _ in result}) != count:
            raise Bad(f"{name} names a pfn twice")
        self.check_rest(name, body[8 + 8 * count:], count,
                        sum(contents for _, contents in result))
        return result

    @staticmethod
    def check_rest(name, rest, count, pages):
        """What follows the entries: contents, or what stands for them."""
        if name == "POSTCOPY_COMPRESSED":
            if size_of_frame(rest) != PAGE * pages or \
                    len(rest) >= PAGE * pages:
                raise Bad(f"{name}: a frame of {len(rest)} octets that is not "
                          f"of {pages} pages, or not smaller")
        elif name == "POSTCOPY_REPEATED_PAGES":
            if len(rest) != 8 * count:
                raise Bad(f"{name}: {len(rest)} octets for {count} numbers")
            if not all(number for number, in struct.iter_unpack("<Q", rest)):
                raise Bad(f"{name}: a page of zeroes")
        elif len(rest) != PAGE * pages:
            raise Bad(f"{name}: {len(rest)} octets for {pages} pages")

    def answer(self, name, body):
        """Bad with the words of a refusal."""
        status, length = struct.unpack_from("<II", body)
        if length != len(body) - 8:
            raise Bad(f"{name}: a text of {length} octets")
        text = body[8:].decode("utf-8")
        if status:
            raise Bad(f"{name}: refused, {text}")

    def requests(self, name, body, before):
        """The pfns of a FAULT, after those that were named before."""
        pfns = [pfn for pfn, _ in self.entries(name, body)]
        if pfns != sorted(pfns) or len(pfns) > MOST_FAULTS:
            raise Bad(f"{name}: {len(pfns)} pfns, or out of order")
        if set(pfns) & set(before):
            raise Bad(f"{name} names a pfn that was named before")
        return pfns


def check_empty(name, *lists):
    for what, pfns in lists:
        if pfns:
            raise Bad(f"{name}: {len(pfns)} pfns {what}, the first "
                      f"{min(pfns):#x}")


def check_stats(name, body):
    numbers = STATS.unpack_from(body)
    faults, pushed = numbers[0], numbers[5]
    median, most = numbers[10:12]
    vcpus, reserved = numbers[-2:]
    if len(body) != STATS.size + 8 * vcpus or reserved:
        raise Bad(f"{name}: {len(body)} octets for {vcpus} vCPUs")
    if median > most or most > (pushed if faults else 0):
        raise Bad(f"{name}: {median} pages before a requested one, {most} at "
                  f"most, and {pushed} in all")


class ChannelForth(Way):
    """What the source sends over the fault channel."""

    def __init__(self, spec):
        super().__init__(spec, "S>D", "RECOVER")
        self.migration = None   # pfns, id and uuid
        self.pages = []         # in their order

    def take(self, name, body):
        if self.state == "RECOVER":
            version, _, *self.migration = struct.unpack("<IIQ16s16s", body)
            if name != "POSTCOPY_CHANNEL" or version != 1:
                raise Bad(f"{name} of version {version} begins a channel")
            self.pfns = self.migration[0]
            self.state = "CHANNEL"
            return
        entries = self.entries(name, body)
        if len(entries) != 1:
            raise Bad(f"{name} with {len(entries)} pages on the channel")
        self.pages.append(entries[0][0])


class ChannelBack(Way):
    """What the destination sends over it."""

    def __init__(self, spec, pfns):
        super().__init__(spec, "D>S", "JOINED")
        self.pfns = pfns
        self.faults = []
        self.credits = 0

    def take(self, name, body):
        if name == "POSTCOPY_JOINED":
            self.answer(name, body)
            self.state = "SERVE"
        elif name in REQUESTS:
            self.faults += self.requests(name, body, self.faults)
        else:
            pages, = struct.unpack_from("<I", body)
            if pages != 1:
                raise Bad(f"{name} for {pages} pages on the channel")
            self.credits += 1


class Channel:
    """A fault channel that was joined, in both directions."""

    def __init__(self, spec, forth, back):
        source = ChannelForth(spec)
        self.cut = read_bare(source, forth)
        destination = ChannelBack(spec, source.pfns)
        self.cut |= read_bare(destination, back)
        if not source.migration or destination.state != "SERVE":
            raise Bad("a fault channel that did not join")
        self.migration = tuple(source.migration)
        self.pages = source.pages
        self.faults = destination.faults
        self.credits = destination.credits
        self.check_pages()

    def check_pages(self):
        """The requested pages, in that order, and each once."""
        asked = iter(self.faults)
        for pfn in self.pages:
            if pfn not in asked:    # takes all up to it
                raise Bad(f"page {pfn:#x} on the channel was not asked for "
                          "there, or before another")
        if self.credits > len(self.pages):
            raise Bad(f"CREDIT for {self.credits} records on the channel, "
                      f"which had {len(self.pages)}")

    def arrived(self, end):
        """The pages that came over it; end is what CHANNEL_END says, if that
        was there."""
        if end is not None:
            if not self.credits <= end <= len(self.pages):
                raise Bad(f"CHANNEL_END with {end} pages, of which "
                          f"{len(self.pages)} were sent and {self.credits} "
                          "have CREDIT")
        elif self.cut or self.credits != len(self.pages):
            raise Bad("the fault channel was lost, and neither end said so")
        return set(self.pages[:end])


class StreamForth(Way):
    """What the source sends over a further stream."""

    def __init__(self, spec):
        super().__init__(spec, "S>D", "RECOVER")
        self.migration = None   # pfns, id and uuid
        self.index = None
        self.records = []       # the pages of each

    def take(self, name, body):
        if self.state == "RECOVER":
            version, self.index, *self.migration = struct.unpack(
                "<IIQ16s16s", body)
            if name != "POSTCOPY_STREAM" or version != 1 or \
                    not 1 <= self.index < self.spec.streams:
                raise Bad(f"{name} {self.index} of version {version} begins a "
                          "stream")
            self.pfns = self.migration[0]
            self.state = "CHANNEL"
            return
        entries = self.entries(name, body)
        if len(entries) > MOST_PUSHED:
            raise Bad(f"{name} with {len(entries)} pages")
        self.records.append([pfn for pfn, _ in entries])


class StreamBack(Way):
    """What the destination sends over it."""

    def __init__(self, spec):
        super().__init__(spec, "D>S", "JOINED")
        self.credit = []

    def take(self, name, body):
        if name == "POSTCOPY_JOINED":
            self.answer(name, body)
            self.state = "CREDIT"
        else:
            self.credit.append(struct.unpack("<II", body)[0])


class Stream:
    """A further stream that has joined, both ways of it."""

    def __init__(self, spec, forth, back):
        source, destination = StreamForth(spec), StreamBack(spec)
        self.cut = read_bare(source, forth) | read_bare(destination, back)
        if not source.migration or destination.state != "CREDIT":
            raise Bad("a stream that did not join")
        self.index = source.index
        self.migration = tuple(source.migration)
        self.pages = [pfn for record in source.records for pfn in record]
        taken = {0, *accumulate(map(len, source.records))}
        credited = list(accumulate(destination.credit))
        self.credited = sum(destination.credit)
        if len(set(self.pages)) != len(self.pages):
            raise Bad(f"stream {self.index} carries a page twice")
        if not taken.issuperset(credited) or len(credited) != len(set(credited)):
            raise Bad(f"stream {self.index}: CREDIT other than for records of "
                      "pages, in order")

    def arrived(self, end):
        """The pages that came over it; end is what STREAM_END says, or None."""
        if end is None:
            if self.cut or self.credited != len(self.pages):
                raise Bad(f"stream {self.index} was lost, and neither end said so")
        elif not self.credited <= end <= len(self.pages):
            raise Bad(f"STREAM_END {self.index} with {end} pages, of which "
                      f"{len(self.pages)} were sent and {self.credited} have "
                      "CREDIT")
        return set(self.pages[:end])


def read_bare(way, octets):
    """A connection without headers; whether it was cut."""
    source = Octets(octets)
    while source.left():
        try:
            kind, body = source.record("a record of a further connection")
        except Cut:
            return True
        name = way.checked(kind, body)
        if name is not None:
            way.take(name, body)
    return False


class Back(Way):
    """What the destination sends. Its state is what the source must be in to
    read a record; how many lists there were is only known afterwards."""

    def __init__(self, spec, channel):
        super().__init__(spec, "D>S", "PREPARED")
        self.channel = channel
        self.channel_end = None     # pages
        self.stream_ends = {}       # pages, by stream
        self.seen = []
        self.answers = 0        # whole answers to lists
        self.times = []         # how many pages each EVICT_TIME is about
        self.evicted = set()
        self.faults = []
        self.dropped = set()
        self.credit = []

    def read(self, octets):
        source = Octets(octets)
        while source.left():
            kind, body = source.record(f"a record after {self.seen[-1:]}")
            self.advance(kind)
            name = self.checked(kind, body)
            if name == "POSTCOPY_EVICT_TIME":
                self.times.append(struct.unpack("<QQ", body)[0])
            if name is None:
                continue
            if name in ALIVE and "POSTCOPY_COMPLETE" not in self.seen:
                continue
            if name in REQUESTS:
                # From a thread of its own: as late as after COMPLETE.
                self.take(name, body)
                continue
            if self.seen and self.seen[-1] in ("POSTCOPY_COMPLETE",
                                               "POSTCOPY_GONE",
                                               "POSTCOPY_STATE"):
                raise Bad(f"{name} after {self.seen[-1]}")
            self.take(name, body)
            self.seen.append(name)

    def advance(self, kind):
        """The source goes on by itself: to the answers of later lists, and
        without any list at once to READY."""
        name = self.spec.records.get(kind, ("",))[0]
        if self.state == "EVICTED" and (
                self.answers or name == "POSTCOPY_READY"):
            self.state = "READY"

    def take(self, name, body):
        if name in ("POSTCOPY_PREPARED", "POSTCOPY_READY",
                    "POSTCOPY_RUNNING"):
            self.answer(name, body)
            if name in self.seen:
                raise Bad(f"{name} for the second time")
            if "POSTCOPY_FEATURES" not in self.seen:
                raise Bad(f"{name} without FEATURES before it")
            self.state = {"POSTCOPY_PREPARED": "EVICTED",
                          "POSTCOPY_READY": "REQUESTS"}.get(name, self.state)
        elif name == "POSTCOPY_FEATURES":
            if name in self.seen:
                raise Bad(f"{name} for the second time")
        elif name == "POSTCOPY_EVICTED":
            pfns = [pfn for pfn, _ in self.entries(name, body)]
            self.evicted.update(pfns)
            self.answers += len(pfns) < self.spec.list
        elif name in REQUESTS:
            if self.channel and self.channel_end is None:
                raise Bad(f"{name} beside a fault channel")
            self.faults += self.requests(name, body, self.faults)
        elif name == "POSTCOPY_CHANNEL_END":
            if self.channel_end is not None:
                raise Bad(f"{name} for the second time")
            self.channel_end, = struct.unpack("<Q", body)
        elif name == "POSTCOPY_STREAM_END":
            index, _, pages = struct.unpack("<IIQ", body)
            if index in self.stream_ends:
                raise Bad(f"{name} of {index} for the second time")
            self.stream_ends[index] = pages
        elif name == "POSTCOPY_DROPPED":
            pfns = [pfn for pfn, _ in self.entries(name, body)]
            if pfns != sorted(pfns) or set(pfns) & self.dropped:
                raise Bad(f"{name}: out of order, or named before")
            self.dropped.update(pfns)
        elif name == "POSTCOPY_STATS":
            check_stats(name, body)
        elif name == "POSTCOPY_CREDIT":
            self.credit.append(struct.unpack("<II", body)[0])
        elif name in ("POSTCOPY_COMPLETE", "POSTCOPY_GONE",
                      "POSTCOPY_STATE"):
            if name == "POSTCOPY_STATE":
                self.lost(name, body)
            if "POSTCOPY_RUNNING" not in self.seen:
                raise Bad(f"{name} before RUNNING")
            if name == "POSTCOPY_COMPLETE" and \
                    self.seen[-1] != "POSTCOPY_STATS":
                raise Bad("COMPLETE without STATS before it")


    def lost(self, name, body):
        """While pages come there is only one state to tell of."""
        state, length = struct.unpack_from("<II", body)
        if state != LOST or length != len(body) - 8:
            raise Bad(f"{name}: state {state}, a text of {length} octets")


class Forth(Way):
    """What the source sends, given what went back."""

    def __init__(self, spec, back, channel, streams):
        super().__init__(spec, "S>D", "STATIC")
        self.back = back
        self.channel = channel
        self.streams = {stream.index: stream for stream in streams}
        self.used = set()
        self.seen = []
        self.listing = False
        self.lists = 0
        self.sent = set()           # with contents, before GO
        self.outstanding = set()
        self.taken = []             # pages of each record after GO

    def read(self, octets):
        source = Octets(octets)
        self.read_headers(source)
        while not self.seen or self.seen[-1] not in (
                "END", "POSTCOPY_SOURCE_LOST"):
            kind, body = source.record(f"a record after {self.seen[-1:]}")
            name = self.checked(kind, body)
            if name is None or name in ALIVE:
                continue
            if self.listing and name not in ("POSTCOPY_PFNS",
                                             "POSTCOPY_PFNS_END"):
                raise Bad(f"{name} within a list")
            self.take(name, body)
            self.seen.append(name)
            if name == "POSTCOPY_TRANSITION":
                self.read_device_state(source)
        if not self.back and source.record("libxl's END") != (LIBXL_END, b""):
            raise Bad("something in place of libxl's END")
        if source.left():
            raise Bad(f"{source.left()} octets after the last END")
        if self.back:
            self.check_against_back()

    def read_headers(self, source):
        if source.unpack(">QII", "libxl's header") != (
                0x4c6962786c466d74, 2, 0):
            raise Bad("libxl's header")
        if source.record("LIBXC_CONTEXT") != (1, b""):
            raise Bad("something in place of LIBXC_CONTEXT")
        if source.unpack(">QIIHHI", "the image header") != (
                (1 << 64) - 1, 0x58454e46, 3, 0, 0, 0):
            raise Bad("the image header")
        if source.unpack("<IHHII", "the domain header")[:3] != (2, 12, 0):
            raise Bad("the domain header")

    def read_device_state(self, source):
        """Libxl's part, and back."""
        kind, body = source.record("libxl's records")
        if kind == 3:
            if struct.unpack_from("<II", body) != (2, 0):
                raise Bad("the state of another emulator")
            kind, body = source.record("libxl's records")
        if kind != LIBXL_TRANSITION_END or body:
            raise Bad(f"libxl's record {kind}, of {len(body)} octets")

    def need(self, condition, name, why):
        if not condition:
            raise Bad(f"{name} {why}")

    def take(self, name, body):
        if name in self.spec.lists:
            getattr(self, "take_" + name.lower())(
                name, self.entries(name, body))
        elif hasattr(self, "take_" + name.lower()):
            getattr(self, "take_" + name.lower())(name, body)

    def take_postcopy_source_lost(self, name, body):
        self.answer(name, body)

    def take_static_data_end(self, _name, _body):
        self.state = "LIVE"

    def take_page_data(self, _name, entries):
        for pfn, _ in entries:
            self.sent.add(pfn)
            self.outstanding.discard(pfn)

    def take_postcopy_prepare(self, name, body):
        (version, flags, _pages, pfns, _credit, reserved, id_,
         uuid) = struct.unpack("<IIQQII16s16s", body)
        self.need(flags in (0, 1, 2, 4) and not reserved and version == 1, name,
                  f"version {version}, flags {flags:#x}")
        self.need(1 <= pfns <= 1 << 32, name, f"{pfns} pfns")
        self.need(name not in self.seen, name, "for the second time")
        missing = {"X86_TSC_INFO", "HVM_PARAMS",
                   "HVM_CONTEXT"} - set(self.seen)
        self.need(not missing, name, f"before {missing}")
        self.need(not self.channel or
                  self.channel.migration == (pfns, id_, uuid), name,
                  "of another migration than CHANNEL")
        self.need(all(stream.migration == (pfns, id_, uuid)
                      for stream in self.streams.values()), name,
                  "of another migration than STREAM")
        self.pfns = self.back.pfns = pfns

    def take_postcopy_devices(self, name, _body):
        self.need("POSTCOPY_PREPARE" not in self.seen, name, "after PREPARE")
        self.need(name not in self.seen, name, "for the second time")

    def take_postcopy_begin(self, name, _body):
        self.need("POSTCOPY_PREPARE" in self.seen, name, "without PREPARE")
        self.state = "EVICTION"

    def take_postcopy_pfns_begin(self, _name, _body):
        self.listing = True

    def take_postcopy_pfns(self, name, entries):
        self.need(self.listing, name, "outside a list")
        pfns = {pfn for pfn, _ in entries}
        self.outstanding |= pfns
        self.sent -= pfns

    def take_postcopy_pfns_end(self, name, _body):
        self.need(self.listing, name, "outside a list")
        self.listing = False
        self.lists += 1

    def take_postcopy_transition(self, name, _body):
        self.need("POSTCOPY_PREPARE" in self.seen, name, "without PREPARE")
        self.state = "LAST"

    def take_postcopy_go(self, name, _body):
        refused = self.back.evicted & self.outstanding
        check_empty(name, ("that refused to be evicted were not sent",
                           refused))
        check_empty(name, ("were asked for and never listed",
                           set(self.back.faults) - self.outstanding))
        if self.channel:
            check_empty(name, ("were asked for on the channel and never listed",
                               set(self.channel.faults) - self.outstanding))
            self.outstanding -= self.channel.arrived(self.back.channel_end)
        elif self.back.channel_end:
            raise Bad("CHANNEL_END with pages, and no fault channel")
        self.state = "POSTCOPY"

    def take_postcopy_channel_lost(self, name, _body):
        self.need(name not in self.seen, name, "for the second time")
        self.need(self.back.channel_end is not None, name,
                  "without CHANNEL_END")

    def take_postcopy_stream_use(self, name, body):
        """What the stream brings from now on does not come otherwise."""
        index, _ = struct.unpack("<II", body)
        self.need(index not in self.used, name, "for the second time")
        self.need(index in self.streams, name, f"of {index}, which is none")
        self.used.add(index)
        pages = self.streams[index].arrived(self.back.stream_ends.get(index))
        check_empty(name, ("that were not outstanding",
                           pages - self.outstanding))
        self.outstanding -= pages

    def take_postcopy_stream_lost(self, name, body):
        index, _ = struct.unpack("<II", body)
        self.need(index in self.used, name, f"of {index}, which is not in use")
        self.need(index in self.back.stream_ends, name, "without STREAM_END")

    def take_postcopy_page_data(self, name, entries):
        pfns = {pfn for pfn, _ in entries}
        check_empty(name, ("that were not outstanding",
                           pfns - self.outstanding))
        asked = pfns & set(self.back.faults)
        self.need(len(pfns) == 1 or len(pfns) <= MOST_PUSHED, name,
                  f"with {len(pfns)} pages")
        self.outstanding -= pfns
        self.taken.append((len(pfns), bool(asked)))

    def take_postcopy_repeated_pages(self, name, entries):
        self.need(self.back and "POSTCOPY_FEATURES" in self.back.seen, name,
                  "without FEATURES")
        self.take_postcopy_zero_pages(name, entries)

    take_postcopy_compressed = take_postcopy_repeated_pages

    def take_postcopy_zero_pages(self, name, entries):
        self.need(self.back is not None, name, "without a way back")
        if self.state == "POSTCOPY":
            self.take_postcopy_page_data(name, entries)
        else:
            self.take_page_data(name, entries)

    def take_end(self, name, _body):
        self.need("POSTCOPY_GO" in self.seen or not self.back, name,
                  "before GO")
        dropped = self.back.dropped if self.back else set()
        check_empty(name, ("were listed and did not come",
                           self.outstanding - dropped))

    def check_against_back(self):
        back = self.back
        if not self.used.issuperset(back.stream_ends):
            raise Bad(f"STREAM_END of {set(back.stream_ends) - self.used}")
        unused = {index for index, stream in self.streams.items()
                  if stream.pages} - self.used
        if unused:
            raise Bad(f"pages over {unused} without STREAM_USE")
        if back.seen[-1:] != ["POSTCOPY_COMPLETE"]:
            raise Bad(f"the last record back is {back.seen[-1:]}")
        if back.answers != self.lists:
            raise Bad(f"{self.lists} lists and {back.answers} answers")
        if len(back.times) != self.lists or back.times != sorted(back.times):
            raise Bad(f"{self.lists} lists, and EVICT_TIME for {back.times}")
        taken = set(accumulate(count for count, _ in self.taken))
        credited = list(accumulate(back.credit))
        if not taken.issuperset(credited) or len(credited) != \
                len(set(credited)):
            raise Bad("CREDIT other than for records of pages, in order")
        if credited[-1:] != sorted(taken)[-1:]:
            raise Bad("not for all pages there was CREDIT in the end")


def check(forth, back=b"", channel=None, spec=None, streams=()):
    """Raises Bad. A stream without anything back is an ordinary one; channel:
    both ways of its fault channel, which was joined; streams: the same of each
    further stream."""
    spec = spec or Spec()
    further = [Stream(spec, *stream) for stream in streams]
    if len({stream.index for stream in further}) != len(further):
        raise Bad("two streams have one number")
    second = Channel(spec, *channel) if channel else None
    answers = Back(spec, second) if back else None
    if answers:
        answers.read(back)
    source = Forth(spec, answers, second, further)
    source.read(forth)
    return source
