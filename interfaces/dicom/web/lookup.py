"""Look-up tables of an image: of values of interest, of its modality, and of colours (PS3.3 sections C.11.1, C.11.2 and
C.7.6.3.1.5)."""

from __future__ import annotations

from typing import Any, NamedTuple

_COLOURS = ("Red", "Green", "Blue")


class Table(NamedTuple):
    """What values from the first one on become; those below it and behind the last one are as these."""

    entries: Any  # an array of whole numbers
    first: int
    bits: int  # of an entry, as it is described

    def of(self, values: Any) -> Any:
        """The entries of values."""
        import numpy

        places = numpy.clip(values.astype(numpy.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[places]


def table_of(item: Any, little: bool) -> Table:
    """The table of an item of Modality LUT Sequence or VOI LUT Sequence; little: the byte order of its words."""
    return _table(item.LUTDescriptor, item.LUTData, little)


def coloured(frame: Any, data_set: Any) -> Any:
    """The colours of a PALETTE COLOR frame, eight bits each."""
    import numpy

    if "RedPaletteColorLookupTableData" not in data_set:  # in segments
        from pydicom.pixels.processing import apply_color_lut

        found = apply_color_lut(frame, data_set)[..., :3]
        return of_eight_bits(found, found.dtype.itemsize * 8)
    little = data_set.file_meta.TransferSyntaxUID.is_little_endian
    described = data_set.RedPaletteColorLookupTableDescriptor  # those of the others are the same
    tables = [_table(described, data_set[f"{name}PaletteColorLookupTableData"].value, little) for name in _COLOURS]
    # entries of eight bits are also written as words, some of which are described as if they had sixteen
    bits = 16 if any(table.bits > 8 and table.entries.max(initial=0) > 255 for table in tables) else 8
    return of_eight_bits(numpy.stack([table.of(frame) for table in tables], axis=-1), bits)


def of_eight_bits(samples: Any, bits: int) -> Any:
    """Samples of so many bits as bytes."""
    return (samples >> max(0, bits - 8)).astype("uint8")


def _table(described: Any, data: Any, little: bool) -> Table:
    import numpy

    count, first, bits = (int(each) for each in described)
    count = count or 65536
    if isinstance(data, bytes):
        words = len(data) >= 2 * count
        data = numpy.frombuffer(data, ("<u2" if little else ">u2") if words else "u1")
    entries = numpy.atleast_1d(numpy.asarray(data, "int64"))[:count]
    return Table(entries, first, bits)
