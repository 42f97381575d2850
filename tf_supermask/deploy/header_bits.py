"""The numbers that decode the kernels of a file, as bits: most are small.

A number is in an exponential Golomb code: for n and its `low`, n + 2**low in binary, after as many zeros as it has bits beyond
low + 1. A list is its length and its numbers. For each kernel in turn:

    view                 4 numbers, low 3
    scale                float32, 32 bits
    levels               a list, low 0: how many codes are of size 1, 2..., empty if all are of size 1
    histograms           3 lists, low 0
    passes               their number, low 2, and for each: change, a list, low 2; 3 shares of 8 bits; the ratio, 8 bits; the
                         length, low 4
"""

import struct

MOST = 2**10  # passes of a kernel
MOST_NUMBERS = 2**19  # of all kernels of a file; one has about 100
_HISTOGRAM, _CHANGE, _LEVELS = 64, 8, 2**7  # elements of lists
_LONGEST = 64  # bits of a number


class Writer:
    """Bits, the first one highest in the first byte."""

    def __init__(self):
        self.text = []

    def __len__(self):
        return len(self.text)  # numbers

    def number(self, value, low=0):
        bits = f"{value + (1 << low):b}"
        self.text.append("0" * (len(bits) - low - 1) + bits)

    def fixed(self, value, size):
        self.text.append(f"{value:0{size}b}")

    def numbers(self, values, low=0):
        self.number(len(values))
        for value in values:
            self.number(value, low)

    def content(self):
        """The bytes, with zeros to the end of the last one."""
        bits = "".join(self.text)
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


class Reader:
    """Reads what Writer has written. Methods raise ValueError at the end, and for a number or list that is too long."""

    def __init__(self, content):
        self.content, self.place, self.left = content, 0, MOST_NUMBERS

    def fixed(self, size):
        end = self.place + size
        first, last = self.place // 8, -(-end // 8)
        if last > len(self.content):
            raise ValueError("numbers that end too soon")
        self.place = end
        return (int.from_bytes(self.content[first:last], "big") >> (8 * last - end)) & ((1 << size) - 1)

    def number(self, low=0):
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"more than {MOST_NUMBERS:,} numbers for its kernels")
        first, start = divmod(self.place, 8)
        ahead = self.content[first : first + _LONGEST // 8 + 2]
        size = 8 * len(ahead) - start
        zeros = size - (int.from_bytes(ahead, "big") & ((1 << size) - 1)).bit_length() if ahead else 0
        if zeros > _LONGEST:
            raise ValueError("a number that is too long")
        self.place += zeros
        return self.fixed(1 + zeros + low) - (1 << low)

    def length(self, most, low=0):
        count = self.number(low)
        if count > most:
            raise ValueError("a list that is too long")
        return count

    def numbers(self, most, low=0):
        return [self.number(low) for _ in range(self.length(most))]

    def rest(self):
        """The bytes after the one that was read last."""
        return self.content[-(-self.place // 8) :]


def write(header, bits):
    """The numbers of the header of a kernel, see `loading.Contents`, into a Writer."""
    for size in header["view"]:
        bits.number(size, 3)
    bits.fixed(int.from_bytes(struct.pack(">f", header["scale"]), "big"), 32)
    bits.numbers(header.get("levels", ()))
    for histogram in header["codes"][:3]:
        bits.numbers(histogram)
    passes = header["codes"][3:]
    bits.number(len(passes), 2)
    for change, agree, ratio, length in passes:
        bits.numbers(change, 2)
        for share in (*agree, ratio):
            bits.fixed(share, 8)
        bits.number(length, 4)


def read(bits):
    """The header of a kernel, from a Reader."""
    header = {"view": [bits.number(3) for _ in range(4)]}
    (header["scale"],) = struct.unpack(">f", bits.fixed(32).to_bytes(4, "big"))
    levels = bits.numbers(_LEVELS)
    header |= {"levels": levels} if levels else {}
    histograms = [bits.numbers(_HISTOGRAM) for _ in range(3)]
    return header | {"codes": [*histograms, *(_pass(bits) for _ in range(bits.length(MOST, 2)))]}


def _pass(bits):
    change = bits.numbers(_CHANGE, 2)
    *agree, ratio = (bits.fixed(8) for _ in range(4))
    return [change, agree, ratio, bits.number(4)]
