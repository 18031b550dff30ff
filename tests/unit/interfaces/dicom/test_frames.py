"""Frames as DICOMweb gives them, and how their values are shown."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import numpy
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.web.frames import numbers_of, reading
from interfaces.dicom.web.rendered import View
from interfaces.dicom.web.rendered import image as rendered
from tests.system.dicom.images import encoded, image

RAMP = numpy.arange(64, dtype=numpy.uint16).reshape(8, 8)


@pytest.fixture
def archive(tmp_path):
    made = Archive(Settings(data=tmp_path, dicom_reserve_mb=0, dicom_fsync=False))
    yield made
    made.close()


def kept(archive, made):
    archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    [row] = instances(archive.reading, {"00080018": made.SOPInstanceUID})
    return row


def shown(archive, made, number=1, **view):
    """The grey values of a rendered frame."""
    content = rendered(archive, kept(archive, made), number, "image/png", View(**view))
    return numpy.array(Image.open(BytesIO(content)))


def ramp(**attributes):
    return image(8, **{"PixelData": RAMP.tobytes(), **attributes})


def item(**attributes):
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_a_window_wider_than_the_values_is_not_narrowed_to_them(archive):
    grey = shown(archive, ramp(WindowCenter="32", WindowWidth="640"))
    assert (grey[0, 0], grey[7, 7]) == (114, 140)


def test_values_beyond_the_window_are_white_or_black(archive):
    assert (shown(archive, ramp(WindowCenter="-500", WindowWidth="10")) == 255).all()
    assert (shown(archive, ramp(WindowCenter="500", WindowWidth="10")) == 0).all()
    inverse = ramp(WindowCenter="-500", WindowWidth="10", PhotometricInterpretation="MONOCHROME1")
    assert (shown(archive, inverse) == 0).all()


def test_the_first_of_several_windows_and_the_functions_of_the_file(archive):
    several = {"WindowCenter": ["32", "500"], "WindowWidth": ["64", "10"]}
    assert shown(archive, ramp(**several))[7, 7] == 255
    exact = shown(archive, ramp(WindowCenter="32", WindowWidth="64", VOILUTFunction="LINEAR_EXACT"))
    assert (exact[0, 0], exact[4, 0]) == (0, 127)
    curve = shown(archive, ramp(WindowCenter="32", WindowWidth="64", VOILUTFunction="SIGMOID"))
    assert 25 < curve[0, 0] < 35 and curve[4, 0] == 127


@pytest.mark.parametrize("window", [{"WindowCenter": "", "WindowWidth": ""}, {"WindowCenter": "1", "WindowWidth": "0"}])
def test_a_window_that_says_nothing_leaves_all_values(archive, window):
    grey = shown(archive, ramp(**window))
    assert (grey[0, 0], grey[7, 7]) == (0, 255)


def test_a_table_is_shown_by_its_own_bits(archive):
    table = item(LUTDescriptor=[64, 0, 12], LUTData=numpy.arange(0, 1024, 16, dtype="<u2").tobytes())
    grey = shown(archive, ramp(VOILUTSequence=[table]))
    assert grey[7, 7] == int(16 * 63 * 255 / 4095)


def test_a_table_of_bytes_may_have_more_entries_than_a_byte_counts(archive):
    falling = 255 - numpy.arange(1024, dtype="<u2") // 4
    table = item(LUTDescriptor=[1024, 0, 8], LUTData=falling.tobytes())
    grey = shown(archive, ramp(PixelData=(RAMP * 16).tobytes(), VOILUTSequence=[table]))
    assert (grey[0, 0], grey[4, 0], grey[7, 7]) == (255, 127, 3)


def test_a_table_of_the_modality_may_have_twelve_bits(archive):
    table = item(LUTDescriptor=[32, 16, 12], LUTData=numpy.arange(0, 3200, 100, dtype="<u2").tobytes())
    grey = shown(archive, ramp(ModalityLUTSequence=[table], WindowCenter="1600", WindowWidth="3200"))
    assert (grey[0, 0], grey[4, 0], grey[7, 7]) == (0, 127, 247)


@pytest.mark.parametrize(
    "padding", [{"PixelPaddingValue": -2000}, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1500}]
)
def test_padding_is_no_value_of_the_image(archive, padding):
    pixels = RAMP.astype("<i2")
    pixels[0, :2] = -2000, list(padding.values())[-1]
    grey = shown(archive, ramp(PixelData=pixels.tobytes(), PixelRepresentation=1, **padding))
    assert (grey[0, 1], grey[0, 2], grey[7, 7]) == (0, 0, 255) and grey[4, 0] in (125, 126, 127)


def test_what_is_no_number_is_no_value_of_the_image(archive):
    made = image(8, BitsAllocated=32)
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    made.FloatPixelData = numpy.where(RAMP == 0, numpy.nan, RAMP).astype("<f4").tobytes()
    grey = shown(archive, made)
    assert (grey[0, 1], grey[7, 7]) == (0, 255)


WORDS, BYTES = "<u2", "u1"


@pytest.mark.parametrize(
    ("count", "bits", "kind", "scale"),
    [(64, 16, WORDS, 1024), (64, 16, WORDS, 4), (64, 8, WORDS, 4), (64, 8, BYTES, 4), (63, 8, BYTES, 4)],
    ids=["words", "bytes that are called words", "bytes in words", "bytes", "an odd number of bytes"],
)
def test_palettes_in_all_their_forms(archive, count, bits, kind, scale):
    made = ramp(PhotometricInterpretation="PALETTE COLOR")
    colours = {"Red": numpy.arange(64), "Green": 63 - numpy.arange(64), "Blue": numpy.zeros(64)}
    for name, entries in colours.items():
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [count, 0, bits])
        table = (entries[:count] * scale).astype(kind).tobytes()
        setattr(made, f"{name}PaletteColorLookupTableData", table + b"\0" * (len(table) % 2))
    assert shown(archive, made)[3, 3].tolist() == [27 * 4, 36 * 4, 0]


def test_pixels_are_as_high_as_the_functional_groups_say(archive):
    two = ramp(PixelData=numpy.concatenate([RAMP, RAMP]).tobytes(), NumberOfFrames=2)
    two.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[item(PixelSpacing=["2", "1"])])]
    assert shown(archive, two, 2).shape == (16, 8)


def test_each_frame_is_shown_by_its_functional_groups(archive):
    def group(centre, width, intercept):
        values = item(RescaleSlope="1", RescaleIntercept=intercept, RescaleType="HU")
        window = item(WindowCenter=centre, WindowWidth=width)
        return item(PixelValueTransformationSequence=[values], FrameVOILUTSequence=[window])

    two = ramp(PixelData=numpy.concatenate([RAMP, RAMP]).tobytes(), NumberOfFrames=2)
    two.SharedFunctionalGroupsSequence = [group("5000", "10", "0")]
    two.PerFrameFunctionalGroupsSequence = [group("32", "64", "0"), group("-968", "64", "-1000")]
    first, second = shown(archive, two), shown(archive, two, 2)
    assert first[7, 7] == 255 and (first == second).all()


def frames(archive, made, *numbers):
    return list(map(reading(archive, kept(archive, made), False), numbers))


@pytest.mark.parametrize("size", [8, 5])
def test_frames_of_single_bits_stay_single_bits(archive, size):
    bits = numpy.zeros((3, size, size), numpy.uint8)
    bits[0, 0], bits[1, :, 0], bits[2] = 1, 1, numpy.eye(size)
    packed = numpy.packbits(bits.ravel(), bitorder="little").tobytes()
    single = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 3}
    made = image(size, PixelData=packed + b"\0" * (len(packed) % 2), **single)
    wanted = [numpy.packbits(frame.ravel(), bitorder="little").tobytes() for frame in bits]
    assert frames(archive, made, 1, 2, 3) == wanted


def test_subsampled_colours_stay_subsampled(archive):
    pixels = bytes(range(128))
    colour = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "YBR_FULL_422"}
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    assert frames(archive, image(8, PixelData=pixels, **colour, **eight), 1) == [pixels]


JPEG_422, JPEG_444, RLE_RGB = "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle.dcm"


@pytest.mark.parametrize(("name", "planar"), [(JPEG_422, 0), (JPEG_444, 0), (RLE_RGB, 0), (RLE_RGB, 1)])
def test_decoded_colours_are_those_that_the_metadata_say(archive, name, planar):
    made = dcmread(str(get_testdata_file(name)))
    shown = pixel_array(made)
    made.PlanarConfiguration = planar
    [frame] = frames(archive, made, 1)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.PixelData = frame
    made["PixelData"].is_undefined_length = False
    assert numpy.abs(pixel_array(made).astype(int) - shown).mean() < 0.1


def test_frames_of_floating_point_numbers(archive):
    made = image(8, NumberOfFrames=2, BitsAllocated=32)
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    made.FloatPixelData = numpy.arange(128, dtype="<f4").tobytes()
    assert frames(archive, made, 2) == [numpy.arange(64, 128, dtype="<f4").tobytes()]


def test_of_a_file_here_only_the_frame_that_is_asked_for_is_read(archive, monkeypatch):
    count, size = 64, 128 * 128 * 2
    made = image(
        128, NumberOfFrames=count, PixelData=numpy.arange(count * size // 2, dtype="<u4").astype("<u2").tobytes()
    )
    row, read = kept(archive, made), []
    whole = archive.files.read
    monkeypatch.setattr(archive.files, "read", lambda *of: read.append(len(content := whole(*of))) or content)
    tracemalloc.start()
    assert reading(archive, row, False)(count) == made.PixelData[-size:]
    assert rendered(archive, row, count, "image/png", View())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(read) < count * size / 8 and peak < count * size


@pytest.mark.parametrize("name", ["image_dfl.dcm", "MR_small_RLE.dcm", "ExplVR_BigEnd.dcm"])
def test_files_that_are_written_in_other_ways_are_shown_too(archive, name):
    assert shown(archive, dcmread(str(get_testdata_file(name)))).size


def test_frames_of_big_endian_are_little_endian(archive):
    made = image(8, PixelData=RAMP.astype(">u2").tobytes())
    made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert frames(archive, made, 1) == [RAMP.astype("<u2").tobytes()]


@pytest.mark.parametrize("text", ["", "1,,2", "a", "+1", " 1", "1_0", "١", "1" * 20])
def test_what_is_no_number_of_a_frame(archive, text):
    with pytest.raises(FhirError) as told:
        numbers_of(text, kept(archive, ramp()))
    assert told.value.status == 400
