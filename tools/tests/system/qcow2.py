# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes and checks images of QEMU's format qcow2, as far as tests need it: version 3,
refcounts of 16 bits, no snapshots, no backing file, nothing compressed."""

import math
import struct

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
HEADER = ">4sIQIIQIIQQIIQQQQII"
OFFSET = 0x00FFFFFFFFFFFE00
COPIED = 1 << 63


def image_of(raw):
    """A qcow2 with these contents; clusters of zeroes are not allocated."""
    clusters = [raw[at:at + CLUSTER] for at in range(0, len(raw), CLUSTER)]
    nr_l2 = math.ceil(len(clusters) / (CLUSTER // 8))
    # The header, the table of refcounts, a block of them, L1, then L2s.
    tables = [bytearray(CLUSTER) for _ in range(nr_l2)]
    data = []
    first = 4 + nr_l2
    for number, cluster in enumerate(clusters):
        if cluster.strip(b"\0"):
            entry = (first + len(data)) * CLUSTER | COPIED
            struct.pack_into(">Q", tables[number // (CLUSTER // 8)],
                             8 * (number % (CLUSTER // 8)), entry)
            data.append(cluster.ljust(CLUSTER, b"\0"))
    l1 = b"".join(struct.pack(">Q", (4 + n) * CLUSTER | COPIED)
                  for n in range(nr_l2))
    header = struct.pack(HEADER, b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, len(raw),
                         0, nr_l2, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4,
                         struct.calcsize(HEADER))
    counts = b"".join(struct.pack(">H", 1) for _ in range(first + len(data)))
    parts = [header, struct.pack(">Q", 2 * CLUSTER), counts, l1, *tables, *data]
    return b"".join(bytes(part).ljust(CLUSTER, b"\0") for part in parts)


class Image:
    """What is in a file with an image."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.octets = file.read()
        (self.magic, _, _, _, bits, self.size, _, self.nr_l1, self.l1, self.counts,
         self.nr_counts, *_) = struct.unpack_from(HEADER, self.octets)
        assert self.magic == b"QFI\xfb" and bits == CLUSTER_BITS, "no such image"

    def numbers(self, at, count, form="Q"):
        return struct.unpack_from(f">{count}{form}", self.octets, at)

    def _l2s(self):
        return [entry & OFFSET for entry in self.numbers(self.l1, self.nr_l1)]

    def references(self):
        """Each cluster to which an entry points, once for each such entry."""
        yield 0
        for n in range(self.nr_counts):
            yield self.counts // CLUSTER + n
        for block in self.numbers(self.counts, self.nr_counts * CLUSTER // 8):
            if block:
                yield block // CLUSTER
        for n in range(math.ceil(self.nr_l1 * 8 / CLUSTER)):
            yield self.l1 // CLUSTER + n
        for table in filter(None, self._l2s()):
            yield table // CLUSTER
            for entry in self.numbers(table, CLUSTER // 8):
                if entry & OFFSET:
                    yield (entry & OFFSET) // CLUSTER

    def refcounts(self):
        counts = {}
        blocks = self.numbers(self.counts, self.nr_counts * CLUSTER // 8)
        for number, block in enumerate(blocks):
            if block:
                for at, count in enumerate(
                        self.numbers(block, CLUSTER // 2, "H")):
                    if count:
                        counts[number * CLUSTER // 2 + at] = count
        return counts

    def faults(self):
        """As `qemu-img check` finds them: clusters that are pointed to and not
        counted, or twice; and, leaked, counted and not pointed to."""
        wanted = {}
        for cluster in self.references():
            wanted[cluster] = wanted.get(cluster, 0) + 1
        counts = self.refcounts()
        return [f"cluster {n}: {wanted.get(n, 0)} references, counted "
                f"{counts.get(n, 0)}"
                for n in sorted(wanted.keys() | counts.keys())
                if wanted.get(n, 0) != counts.get(n, 0)]

    def allocated(self):
        """How many clusters hold contents."""
        return sum(bool(entry & OFFSET) for table in filter(None, self._l2s())
                   for entry in self.numbers(table, CLUSTER // 8))

    def contents(self):
        raw = bytearray()
        for table in self._l2s():
            for entry in (self.numbers(table, CLUSTER // 8) if table
                          else [0] * (CLUSTER // 8)):
                at = entry & OFFSET
                raw += self.octets[at:at + CLUSTER] if at else bytes(CLUSTER)
        return bytes(raw[:self.size])
