"""Stored values to grey: as the modality means them, then those of interest (PS3.4 section N.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

from interfaces.dicom.web.lookup import table_of

FUNCTIONS = ("linear", "linear-exact", "sigmoid")
_FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MACROS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")
_SHOWING = (
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PixelAspectRatio",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
)


class Window(NamedTuple):
    """Which values are grey: those from half the width below the centre to half of it above, by a function."""

    centre: float
    width: float
    function: str


def of_frame(data_set: Any, number: int) -> Any:
    """What says how values of a frame are shown: of the data set, and of the frame's functional groups over it (PS3.3
    sections C.7.6.16.2.1, C.7.6.16.2.9 and C.7.6.16.2.10)."""
    from pydicom.dataset import Dataset

    made = Dataset()
    made.file_meta = data_set.file_meta  # says how tables are written
    shared, each = (data_set.get(name) or [] for name in _FUNCTIONAL_GROUPS)
    groups = [*shared[:1], *each[number - 1 : number]]
    described = [data_set, *(item for group in groups for name in _MACROS for item in (group.get(name) or [])[:1])]
    for source in described:
        for name in _SHOWING:
            if name in source:
                made.add(source[name])
    return made


class Gray:
    """A frame of grey values and what says how they are shown."""

    def __init__(self, stored: Any, described: Any) -> None:
        self._stored = stored
        self._described = described
        self._little = described.file_meta.TransferSyntaxUID.is_little_endian
        self._values = self._of_the_modality()
        tables = described.get("VOILUTSequence")
        self._table = table_of(tables[0], self._little) if tables and _own_window(described) is None else None

    def shown(self, asked: tuple[float, float, str] | None) -> Any:
        """Grey from 0 to 255: by the window that is asked for, else by the image's own window or table, else all
        values."""
        import numpy

        if asked is None and self._table is not None:
            grey = self._table.of(self._values) * (255 / (2**self._table.bits - 1))
            return numpy.clip(grey, 0, 255).astype(numpy.uint8)
        window = asked or self.window()
        if window is None:
            return numpy.zeros(self._values.shape, numpy.uint8)
        return _windowed(self._values, *window)

    def window(self) -> Window | None:
        """The window that the frame is shown by where none is asked for; of a table what it reaches over; None where
        all values are one."""
        import numpy

        own = _own_window(self._described)
        if own is not None:
            return own
        if self._table is not None:
            count = len(self._table.entries)
            return Window(self._table.first + count / 2, count, "linear-exact")
        meant = self._values[~self._padded() & numpy.isfinite(self._values)]
        low, high = (float(meant.min()), float(meant.max())) if meant.size else (0.0, 0.0)
        return Window((low + high) / 2, high - low, "linear-exact") if high > low else None

    def _of_the_modality(self) -> Any:
        """Values as the modality means them (PS3.3 section C.11.1)."""
        from pydicom.pixels.processing import apply_modality_lut

        tables = self._described.get("ModalityLUTSequence")
        if tables:
            return table_of(tables[0], self._little).of(self._stored)
        return apply_modality_lut(self._stored, self._described)

    def _padded(self) -> Any:
        """Which pixels are no part of the image (PS3.3 section C.7.5.1.1.2)."""
        import numpy

        edges = [self._described.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
        given = [edge for edge in edges if isinstance(edge, int)]
        if not given or not numpy.issubdtype(self._stored.dtype, numpy.integer):
            return numpy.zeros(self._stored.shape, bool)
        # a value may be written with another sign than the pixels have
        low, *_, high = sorted(numpy.array([given[0], given[-1]]).astype(self._stored.dtype))
        return (self._stored >= low) & (self._stored <= high)


def _own_window(described: Any) -> Window | None:
    """The first window of an image; None where it has none that can be used."""
    found = []
    for name in ("WindowCenter", "WindowWidth"):
        value = described.get(name)
        values = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
        found.append(next(iter(values), None))
    if found[0] is None or found[1] is None or not float(found[1]) > 0:
        return None
    function = str(described.get("VOILUTFunction") or "LINEAR").lower().replace("_", "-")
    return Window(float(found[0]), float(found[1]), function if function in FUNCTIONS else "linear")


def _windowed(values: Any, centre: float, width: float, function: str) -> Any:
    """The VOI LUT functions of PS3.3 section C.11.2.1.2 and C.11.2.1.3."""
    import numpy

    values = values.astype(numpy.float64)
    if function == "sigmoid":
        made = 255 / (1 + numpy.exp(numpy.clip(-4 * (values - centre) / width, -60, 60)))
    elif function == "linear-exact":
        made = ((values - centre) / width + 0.5) * 255
    else:
        made = ((values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5) * 255
    return numpy.clip(numpy.nan_to_num(made), 0, 255).astype(numpy.uint8)
