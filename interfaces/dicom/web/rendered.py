"""Rendered images and thumbnails (PS3.18 sections 8.3.5 and 10.4.1.1.8)."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fhir_server.core.errors import FhirError, error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import attributes
from interfaces.dicom.dataset.model import first
from interfaces.dicom.web.accept import chosen
from interfaces.dicom.web.annotations import annotated, annotations_of
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, json_answer, reason, tagged
from interfaces.dicom.web.frames import numbers_of
from interfaces.dicom.web.grayscale import FUNCTIONS, Gray, of_frame
from interfaces.dicom.web.lookup import coloured, of_eight_bits
from interfaces.dicom.web.multipart import Part, related
from interfaces.dicom.web.pixels import Pixels
from interfaces.dicom.web.resources import model_url, named, partial, readable, split, tag_of

TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}
MOVING = ("image/gif", "image/jpeg", "image/png")  # of several frames the first alone has all in one (PS3.18 8.7.4)
PARAMETERS = ("accept", "annotation", "charset", "iccprofile", "quality", "viewport", "window")
LARGEST = 8192  # pixels of an edge
THUMBNAIL = 128
FRAME_TIME = "00181063"
MOST_MOVING = 2**26  # pixels of all frames of an animation, which are in memory together; more are given one by one
SHORTEST, LONGEST = 20, 10_000  # milliseconds of a frame


class View(NamedTuple):
    """How a frame is shown: window (centre, width, function), viewport (width, height, source box), JPEG quality,
    and which texts stand on it."""

    window: tuple[float, float, str] | None = None
    viewport: tuple[int, int] | None = None
    source: tuple[float, float, float, float] | None = None
    quality: int = 90
    annotation: tuple[str, ...] = ()

    def options(self, type: str) -> dict[str, Any]:
        """How a file of that type is written."""
        return {"quality": self.quality} if type == "image/jpeg" else {}


def rendered(request: WebRequest) -> WebAnswer:
    """Frames as images: one alone, all of an instance as an animation, and several as multipart/related."""
    path, rest = split(request.path)
    rows = named(request, path)
    view = view_of(request)
    by_number = rest[0] == "frames"
    whole = readable(request, rows)
    given = [row for row in whole if _has_image(row)] or whole[:1]  # the first says why none can be shown
    asked = [(row, numbers_of(rest[1], row) if by_number else range(1, row["frames"] + 1)) for row in given]
    several = len(asked) > 1 or len(asked[0][1]) > 1
    moving = several and len(rows) == 1 and not by_number and _pixels(rows[0]) <= MOST_MOVING
    type, wanted = chosen(request.accept(), MOVING if moving else TYPES)
    together = not wanted.multipart and (not several or (moving and type == "image/gif"))
    tag = tag_of(rows, type, str(together), *rest, str(view))
    if tagged(request, tag, WebAnswer(200, [])).status == 304:
        return WebAnswer(304, [("etag", f'"{tag}"')])
    if together:
        (row, numbers), options = asked[0], view.options(type)
        shown = map(showing(request.archive, row, view), numbers)
        content = _animation(shown, row) if several else _file(next(shown), type, **options)
        return tagged(request, tag, WebAnswer(200, [("content-type", type), ("cache-control", "private")], content))

    def parts() -> Iterator[Part]:
        for row, numbers in asked:
            show = showing(request.archive, row, view)
            for number in numbers:
                place = f"/frames/{number}" if row["frames"] > 1 else ""
                headers = [("Content-Type", type), ("Content-Location", f"{model_url(request, row)}{place}/rendered")]
                yield headers, lambda number=number, show=show: _file(show(number), type, **view.options(type))

    return partial(tagged(request, tag, related(type, parts())), rows, given)


def thumbnail(request: WebRequest) -> WebAnswer:
    """A small image of a study, series, instance or frame: of the middle of what it is of."""
    path, rest = split(request.path)
    rows = named(request, path)
    shown = [row for row in rows if _has_image(row)] or rows
    row = shown[len(shown) // 2]
    view = view_of(request)
    if view.viewport is None:
        view = view._replace(viewport=(THUMBNAIL, THUMBNAIL))
    type, _ = chosen(request.accept(), TYPES)
    number = numbers_of(rest[1], row)[0] if rest[0] == "frames" else (row["frames"] + 1) // 2
    tag = tag_of([row], "thumbnail", type, str(number), str(view))
    if tagged(request, tag, WebAnswer(200, [])).status == 304:
        return WebAnswer(304, [("etag", f'"{tag}"')])
    content = image(request.archive, row, number, type, view)
    return tagged(request, tag, WebAnswer(200, [("content-type", type), ("cache-control", "private")], content))


def window(request: WebRequest) -> WebAnswer:
    """The window by which a frame is rendered where none is asked for, as [centre, width, function]: an addition to the
    standard, for who changes it; 204 for colours, and where all values are one."""
    path, rest = split(request.path)
    row = named(request, path)[0]
    number = numbers_of(rest[1], row)[0]
    with _telling(row):
        pixels = Pixels(request.archive, row)
        if not pixels.described.PhotometricInterpretation.startswith("MONOCHROME"):
            return WebAnswer(204, [])
        found = Gray(pixels.frame(number), of_frame(pixels.described, number)).window()
    return json_answer(found, type="application/json") if found else WebAnswer(204, [])


def view_of(request: WebRequest) -> View:
    """The view that a query asks for; FhirError "value" that says how it is written."""
    view = View()
    _check_names(request)
    window = request.parameter("window")
    if window:
        parts = window.split(",")
        function = parts[2].lower() if len(parts) == 3 else "linear"
        numbers = numbers_in(parts[:2])
        if len(numbers) != 2 or numbers[1] <= 0 or function not in FUNCTIONS or len(parts) > 3:
            raise error("value", f"window is centre,width,function; the function one of {', '.join(FUNCTIONS)}.")
        view = view._replace(window=(numbers[0], numbers[1], function))
    viewport = request.parameter("viewport")
    if viewport:
        numbers = numbers_in(viewport.split(","), empty=0.0)
        if len(numbers) not in (2, 6) or not all(1 <= edge <= LARGEST and edge == int(edge) for edge in numbers[:2]):
            raise error(
                "value",
                f"viewport is width,height in whole pixels up to {LARGEST}, or width,height,x,y,width,height of the "
                "source.",
            )
        view = view._replace(viewport=(int(numbers[0]), int(numbers[1])))
        if len(numbers) == 6:
            view = view._replace(source=(numbers[2], numbers[3], numbers[4], numbers[5]))
    quality = request.parameter("quality")
    if quality:
        if not quality.isdigit() or not 1 <= int(quality) <= 100:
            raise error("value", "quality is a whole number from 1 to 100.")
        view = view._replace(quality=int(quality))
    annotation = request.parameter("annotation")
    if annotation:
        view = view._replace(annotation=annotations_of(annotation))
    return view


def _check_names(request: WebRequest) -> None:
    """FhirError where a parameter is unknown, there twice, or asks for a colour profile, which no image has."""
    names = [name.lower() for name, _ in request.query]
    for name in names:
        if name not in PARAMETERS:
            known = ", ".join(PARAMETERS)
            raise error("unsupported-parameter", f"There is no parameter {name[:60]}; a rendered image takes {known}.")
        if names.count(name) > 1:
            raise error("value", f"{name} is there twice.")
    if request.parameter("iccprofile").lower() not in ("", "no"):
        raise error("value", "Rendered images have no ICC profile; leave iccprofile out, or say no.")


def numbers_in(parts: list[str], empty: float | None = None) -> list[float]:
    """The numbers of a parameter, empty for parts that are; [] where one is no number to reckon with."""
    try:
        found = [empty if part.strip() == "" and empty is not None else float(part) for part in parts]
    except ValueError:
        return []
    return [] if any(number != number or abs(number) > 1e9 for number in found) else found


def image(archive: Archive, row: Row, number: int, type: str, view: View) -> bytes:
    """A frame as an image file; FhirError where it can't be shown."""
    return _file(showing(archive, row, view)(number), type, **view.options(type))


def showing(archive: Archive, row: Row, view: View) -> Callable[[int], Any]:
    """What gives the frames of an instance by their numbers as Pillow has images; FhirError where one can't be
    shown."""
    pixels = functools.cache(lambda: Pixels(archive, row))

    def show(number: int) -> Any:
        with _telling(row):
            shown = _fitted(_shown(pixels(), number, view), view, _aspect(of_frame(pixels().described, number)))
            return annotated(shown, view.annotation, attributes(row))

    return show


@contextmanager
def _telling(row: Row) -> Iterator[None]:
    """FhirError that says why an image can't be shown."""
    if not _has_image(row):
        raise error("not-acceptable", f"{row['instance_uid']} has no image to show.")
    try:
        yield
    except FhirError:
        raise
    except Exception as problem:  # decoders raise what they like
        raise error("not-acceptable", f"The image can't be shown: {reason(problem)}.") from problem


def _has_image(row: Row) -> bool:
    return '"00280010"' in row["instance"]


def _file(picture: Any, type: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, TYPES[type], **options)
    return buffer.getvalue()


def _pixels(row: Row) -> int:
    model = attributes(row)
    return first(model, "00280010", 0) * first(model, "00280011", 0) * row["frames"]


def _animation(shown: Iterator[Any], row: Row) -> bytes:
    """A GIF of all frames, each for as long as the instance says, or a tenth of a second."""
    try:
        milliseconds = float(first(attributes(row), FRAME_TIME, 100.0))
    except (TypeError, ValueError):
        milliseconds = 100.0
    timed = {"duration": int(min(max(milliseconds, SHORTEST), LONGEST)), "loop": 0}
    return _file(next(shown), "image/gif", save_all=True, append_images=shown, **timed)


def _shown(pixels: Pixels, number: int, view: View) -> Any:
    from PIL import Image

    frame, data_set = pixels.frame(number), pixels.described
    kind = data_set.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        return Image.fromarray(coloured(frame, data_set))
    if frame.ndim == 3:
        return Image.fromarray(of_eight_bits(frame, data_set.BitsStored))
    grey = Gray(frame, of_frame(data_set, number)).shown(view.window)
    return Image.fromarray(255 - grey if kind == "MONOCHROME1" else grey)


def _aspect(described: Any) -> float:
    """Height to width of a pixel."""
    spacing = described.get("PixelSpacing") or described.get("ImagerPixelSpacing") or described.get("PixelAspectRatio")
    try:
        return float(spacing[0]) / float(spacing[1])
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return 1.0


def _fitted(shown: Any, view: View, aspect: float) -> Any:
    from PIL import Image

    if view.source is not None:
        x, y, width, height = view.source
        right, bottom = x + (abs(width) or shown.width), y + (abs(height) or shown.height)
        if not (x < shown.width and y < shown.height and right > 0 and bottom > 0):
            size = f"{shown.width} by {shown.height}"
            raise error("value", f"The source of the viewport lies outside of the image, which is {size} pixels.")
        flip_x, flip_y = width < 0, height < 0
        left, top = max(0, int(x)), max(0, int(y))
        right, bottom = min(shown.width, int(right)), min(shown.height, int(bottom))
        shown = shown.crop((left, top, max(left + 1, right), max(top + 1, bottom)))
        if flip_x:
            shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if flip_y:
            shown = shown.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    if view.viewport is None and aspect == 1.0:
        return shown
    tall = shown.height * (aspect if 0.05 < aspect < 20 else 1.0)
    width, height = view.viewport or (shown.width, round(tall))
    scale = min(width / shown.width, height / tall)
    return shown.resize((max(1, round(shown.width * scale)), max(1, round(tall * scale))), Image.Resampling.BILINEAR)
