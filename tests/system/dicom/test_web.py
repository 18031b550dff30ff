"""DICOMweb of a started server: by dicomweb-client, and by plain HTTP for what it does not ask."""

from __future__ import annotations

import io
import json

import httpx
import numpy
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.web.native import native
from tests.system.dicom.conftest import free_port
from tests.system.dicom.images import encoded, image, keep_file, study
from tests.system.process import serving

OPTIONS = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-web-delete", "true")
RLE = str(get_testdata_file("MR_small_RLE.dcm"))
COLOUR = str(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm"))
FRAMES = str(get_testdata_file("rtdose.dcm"))


@pytest.fixture(scope="module")
def images():
    return study(
        3,
        64,
        StudyInstanceUID="1.2.100",
        SeriesInstanceUID="1.2.100.1",
        PatientName="Müller^Jörg",
        SpecificCharacterSet="ISO_IR 192",
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory, images):
    data = tmp_path_factory.mktemp("web")
    archive = Archive(Settings(data=data, dicom_fsync=False, dicom_reserve_mb=0))
    for made in images:
        archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    for path in (RLE, COLOUR, FRAMES):
        keep_file(archive, path)
    archive.close()
    port = free_port()  # dicomweb-client sends Host without a port, so the URL in links is configured
    with serving(data, *OPTIONS, "--port", port, "--dicom-web-url", f"http://127.0.0.1:{port}/dicom-web") as started:
        yield started


@pytest.fixture(scope="module")
def base(server):
    return f"{server.origin}/dicom-web"


@pytest.fixture(scope="module")
def client(base):
    return DICOMwebClient(base)


XML = {"accept": 'multipart/related; type="application/dicom+xml"'}


def path_of(made):
    return f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"


def test_searches_at_every_level(client):
    assert len(client.search_for_studies()) == 4
    [found] = client.search_for_studies(search_filters={"PatientName": "muller*"}, fields=["StudyDescription"])
    assert found["0020000D"]["Value"] == ["1.2.100"] and found["00201208"]["Value"] == [3]
    assert found["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    asked = {"search_filters": {"PatientName": "muller*"}, "fields": ["SOPClassesInStudy", "00201204"]}
    [counted] = client.search_for_studies(**asked)
    assert [counted[tag]["Value"] for tag in ("00080062", "00201204")] == [["1.2.840.10008.5.1.4.1.1.2"], [3]]
    assert len(client.search_for_series("1.2.100")) == 1
    assert len(client.search_for_instances("1.2.100", "1.2.100.1")) == 3
    assert len(client.search_for_instances(search_filters={"Modality": "CT"}, limit=2)) == 2
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    assert len(client.search_for_studies(search_filters={"PatientName": "Müller*="})) == 1
    assert client.search_for_studies(search_filters={"PatientName": "=山田*"}) == []


def test_pages_with_limit_and_offset_give_each_once(base):
    seen = []
    for offset in range(0, 6, 2):
        answer = httpx.get(f"{base}/studies", params={"limit": 2, "offset": offset})
        seen += [found["0020000D"]["Value"][0] for found in (answer.json() if answer.status_code == 200 else [])]
    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/studies?PatientNam=x", 400, "Did you mean PatientName"),
        ("/studies?limit=many", 400, "whole number"),
        ("/studies/1.2.3/metadata", 404, "study 1.2.3"),
        ("/studies/1.2.100/series/1.2.100.1/instances/9/frames/1", 404, "instance 9"),
        ("/nothing", 404, "/studies"),
        ("/studies?StudyDate=2026-01-31", 400, "no date as 20260131"),
        ("/studies?StudyTime=noon", 400, "no time"),
        ("/studies?PatientName=x&fuzzymatching=maybe", 400, "true or false"),
        ("/studies?PatientID=1&PatientID=2", 400, "PatientID is there twice"),
        ("/studies/1.2.100/rendered?annotation=everything", 400, "annotation is patient or technique"),
        ("/studies/1.2.100/rendered?window=a,b", 400, "centre,width,function"),
        ("/studies/1.2.100/rendered?windw=1,2", 400, "no parameter windw"),
        ("/studies/1.2.100/rendered?quality=5&quality=6", 400, "quality is there twice"),
        ("/studies/1.2.100/rendered?iccprofile=yes", 400, "no ICC profile"),
        ("/studies/1.2.100/rendered?viewport=1.5,2", 400, "whole pixels"),
        ("/studies?RequestAttributesSequence=x", 400, "RequestAttributesSequence is a sequence"),
        ("/studies?StudyDate.StudyTime=1015", 400, "StudyDate is no sequence"),
        ("/studies?00091001=x&00091001.PatientID=1", 400, "00091001 is no sequence"),
        ("/studies?patientid=1", 400, "Did you mean PatientID"),
        ("/wado?requestType=WADO", 400, "studyUID"),
        ("/wado?requestType=WADO&studyUID=1&seriesUID=2&objectUID=3&anonymize=yes", 400, "anonymize can't be done"),
    ],
)
def test_mistakes_are_answered_with_what_to_change(base, path, status, said):
    answer = httpx.get(base + path)
    assert answer.status_code == status
    assert said in answer.json()["issue"][0]["diagnostics"]


def test_whole_studies_series_and_instances_come_as_they_are_kept(client, images):
    kept = {made.SOPInstanceUID: made for made in images}
    for got in (client.retrieve_study("1.2.100"), client.retrieve_series("1.2.100", "1.2.100.1")):
        assert {made.SOPInstanceUID for made in got} == set(kept)
        assert all(made.PixelData == kept[made.SOPInstanceUID].PixelData for made in got)
    one = images[1]
    assert client.retrieve_instance("1.2.100", "1.2.100.1", one.SOPInstanceUID).PixelData == one.PixelData


def test_a_compressed_instance_is_given_as_kept_or_uncompressed(base):
    made = pydicom.dcmread(RLE)
    for syntax, expected in (("*", made.file_meta.TransferSyntaxUID), ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1")):
        answer = httpx.get(base + path_of(made), headers={"accept": f"application/dicom; transfer-syntax={syntax}"})
        got = pydicom.dcmread(io.BytesIO(answer.content))
        assert got.file_meta.TransferSyntaxUID == expected
        assert (got.pixel_array == made.pixel_array).all()


def test_metadata_as_json_and_xml(client, base, images):
    [first, *_] = client.retrieve_study_metadata("1.2.100")
    made = pydicom.Dataset.from_json(first, bulk_data_uri_handler=lambda tag, vr, uri: None)
    assert made.PatientName == "Müller^Jörg" and made.Rows == 64
    assert first["7FE00010"]["BulkDataURI"].startswith(f"{base}/studies/1.2.100/")
    answer = httpx.get(
        f"{base}/studies/1.2.100/metadata", headers={"accept": 'multipart/related; type="application/dicom+xml"'}
    )
    assert answer.text.count("<NativeDicomModel") == 3 and "<FamilyName>Müller</FamilyName>" in answer.text


def test_bulk_data_whole_and_in_ranges(client, base, images):
    one = images[0]
    uri = client.retrieve_instance_metadata("1.2.100", "1.2.100.1", one.SOPInstanceUID)["7FE00010"]["BulkDataURI"]
    headers = {"accept": "application/octet-stream"}
    assert httpx.get(uri, headers=headers).content == one.PixelData
    part = httpx.get(uri, headers={**headers, "range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == one.PixelData[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(one.PixelData)}"
    assert httpx.get(uri, headers={**headers, "range": "bytes=99999999-"}).status_code == 416
    assert client.retrieve_bulkdata(uri)[0] == one.PixelData


def located(answer):
    """The parts of an answer: Content-Location -> the contents that have it."""
    assert answer.status_code == 200, answer.text
    boundary = answer.headers["content-type"].rpartition("boundary=")[2].encode()
    found: dict[str, list[bytes]] = {}
    for part in answer.content.split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        place = next(line for line in head.decode().split("\r\n") if line.startswith("Content-Location: "))
        found.setdefault(place.removeprefix("Content-Location: "), []).append(content)
    return found


OCTETS = {"accept": 'multipart/related; type="application/octet-stream"'}


def test_all_bulk_data_of_a_study_series_or_instance_is_named_as_the_metadata_do(client, base, images):
    wanted = {f"{base}{path_of(made)}/bulkdata/7FE00010": [made.PixelData] for made in images}
    for path in ("/studies/1.2.100", "/studies/1.2.100/series/1.2.100.1"):
        linked = [each["7FE00010"]["BulkDataURI"] for each in httpx.get(f"{base}{path}/metadata").json()]
        answer = httpx.get(f"{base}{path}/bulkdata", headers=OCTETS)
        assert located(answer) == wanted and sorted(linked) == sorted(wanted)
        assert len(client.retrieve_bulkdata(f"{base}{path}/bulkdata")) == 3
        again = httpx.get(f"{base}{path}/bulkdata", headers={**OCTETS, "if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    url, pixels = next(iter(wanted.items()))
    assert located(httpx.get(f"{base}{path_of(images[0])}/bulkdata")) == {url: pixels}
    assert located(httpx.get(url, headers=OCTETS)) == {url: pixels}


def test_all_bulk_data_of_compressed_pixels_is_decoded_or_its_frames(base):
    rle = pydicom.dcmread(RLE)
    url = f"{base}{path_of(rle)}/bulkdata"
    decoded, frame = rle.pixel_array.tobytes(), pydicom.encaps.get_frame(rle.PixelData, 0)
    kept = {"accept": 'multipart/related; type="image/dicom-rle"'}
    for headers, content in ((OCTETS, decoded), (kept, frame)):
        assert located(httpx.get(url, headers=headers)) == {f"{url}/7FE00010": [content]}
        assert located(httpx.get(f"{url}/7FE00010", headers=headers)) == {f"{url}/7FE00010": [content]}
    assert httpx.get(url, headers={"accept": 'multipart/related; type="image/jpeg"'}).status_code == 406


def test_where_no_value_is_large_there_is_no_bulk_data(base):
    made = image(4, StudyInstanceUID="1.2.301")
    made.save_as(file := io.BytesIO(), enforce_file_format=True)
    httpx.post(f"{base}/studies", content=file.getvalue(), headers={"content-type": "application/dicom"})
    answer = httpx.get(f"{base}/studies/1.2.301/bulkdata", headers=OCTETS)
    assert answer.status_code == 404 and "stand in its metadata" in answer.text
    httpx.delete(f"{base}/studies/1.2.301")


def test_frames_native_compressed_and_decoded(client, base, images):
    one = images[0]
    [frame] = client.retrieve_instance_frames("1.2.100", "1.2.100.1", one.SOPInstanceUID, [1])
    assert frame == one.PixelData
    several = pydicom.dcmread(FRAMES)
    frames = client.retrieve_instance_frames(
        several.StudyInstanceUID, several.SeriesInstanceUID, several.SOPInstanceUID, [2, 5]
    )
    assert list(frames) == [several.pixel_array[1].tobytes(), several.pixel_array[4].tobytes()]
    rle = pydicom.dcmread(RLE)
    decoded = httpx.get(f"{base}{path_of(rle)}/frames/1", headers={"accept": "application/octet-stream"})
    assert decoded.content == rle.pixel_array.tobytes()
    colour = pydicom.dcmread(COLOUR)
    jpeg = httpx.get(f"{base}{path_of(colour)}/frames/1", headers={"accept": "image/jpeg"})
    assert Image.open(io.BytesIO(jpeg.content)).size == (colour.Columns, colour.Rows)
    assert httpx.get(f"{base}{path_of(several)}/frames/99").status_code == 404
    assert httpx.get(f"{base}{path_of(several)}/frames/0").status_code == 400


def test_bulk_data_of_compressed_pixels_is_its_frames(base):
    rle = pydicom.dcmread(RLE)
    bulk = httpx.get(f"{base}{path_of(rle)}/bulkdata/7FE00010", headers={"accept": "application/octet-stream"})
    assert bulk.content == rle.pixel_array.tobytes()


def test_bulk_data_of_an_icon_is_its_own(base):
    made, icon = pydicom.dcmread(RLE), Dataset()
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = "1.2.300", "1.2.300.1", "1.2.300.1.1"
    made.file_meta.MediaStorageSOPInstanceUID = UID(made.SOPInstanceUID)
    icon.add_new("PixelData", "OB", encapsulate([b"icon"]))
    icon["PixelData"].is_undefined_length = True
    made.IconImageSequence = [icon]
    made.save_as(file := io.BytesIO())
    sent = httpx.post(f"{base}/studies", content=file.getvalue(), headers={"content-type": "application/dicom"})
    assert sent.status_code == 200, sent.text
    headers = {"accept": "application/octet-stream"}
    assert httpx.get(f"{base}{path_of(made)}/bulkdata/00880200/1/7FE00010", headers=headers).content == b"icon"
    for none in ("00880200/0/7FE00010", "00880200/2/7FE00010", "00880200/1", "00100020/1/00100020"):
        answer = httpx.get(f"{base}{path_of(made)}/bulkdata/{none}", headers=headers)
        assert answer.status_code == 404 and f"no value {none}" in answer.text


def test_wado_uri_shows_a_region_and_refuses_what_it_cannot_read(base, images):
    one = images[0]
    wado = f"{base}/wado?requestType=WADO&studyUID={one.StudyInstanceUID}&seriesUID={one.SeriesInstanceUID}"
    wado += f"&objectUID={one.SOPInstanceUID}"
    shown = httpx.get(f"{wado}&contentType=video/mpeg,image/png&region=0,0,0.5,0.25")
    assert Image.open(io.BytesIO(shown.content)).size == (32, 16)
    for wrong in (
        "rows=-5",
        "windowCenter=40",
        "windowCenter=nan&windowWidth=4",
        "region=0,0,1",
        "windowCenter=4&windowWidth=0",
        "imageQuality=200",
        "region=1,1,2,2",
    ):
        assert httpx.get(f"{wado}&{wrong}").status_code == 400


def test_a_range_or_an_accept_that_nothing_fits_says_what_there_is(base, images):
    url = base + path_of(images[0])
    outside = httpx.get(url, headers={"accept": "application/dicom", "range": "bytes=99999999-"})
    assert (outside.status_code, outside.headers["content-range"][:8]) == (416, "bytes */")
    assert "Range asks" in outside.json()["issue"][0]["diagnostics"]
    assert httpx.get(url, headers={"accept": "multipart/*"}).status_code == 200
    assert httpx.get(f"{url}/rendered?viewport=8,8,60,60,1e9,1e9").status_code == 200
    outside = httpx.get(f"{url}/rendered?viewport=8,8,500,500,8,8")
    assert outside.status_code == 400 and "64 by 64" in outside.json()["issue"][0]["diagnostics"]


def test_etags_spare_what_is_known(base, images):
    for path in ("/studies/1.2.100/metadata", path_of(images[0]), f"{path_of(images[0])}/rendered"):
        first = httpx.get(base + path)
        assert first.status_code == 200
        again = httpx.get(base + path, headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304 and again.content == b""


def pixels(answer):
    assert answer.status_code == 200, answer.text
    return numpy.asarray(Image.open(io.BytesIO(answer.content)))


def test_rendered_with_window_and_viewport(base, images):
    url = f"{base}{path_of(images[0])}/rendered"
    png = {"accept": "image/png"}
    stored = images[0].pixel_array.astype(float)
    shown = pixels(httpx.get(url, params={"window": "1000,500,linear-exact"}, headers=png))
    expected = numpy.clip(((stored - 1000) / 500 + 0.5) * 255, 0, 255).astype(numpy.uint8)
    assert (shown == expected).all()
    assert pixels(httpx.get(url, params={"viewport": "32,16"}, headers=png)).shape == (16, 16)
    box = pixels(httpx.get(url, params={"window": "1000,500,linear-exact", "viewport": "8,8,4,6,8,8"}, headers=png))
    assert (box == expected[6:14, 4:12]).all()
    assert httpx.get(url, headers={"accept": "image/jpeg"}).headers["content-type"] == "image/jpeg"
    assert httpx.get(url, headers={"accept": "text/plain"}).status_code == 406
    parts = httpx.get(url, headers={"accept": 'multipart/related; type="image/png"'})
    assert parts.headers["content-type"].startswith('multipart/related; type="image/png"')


def test_the_window_that_a_frame_is_rendered_by(base, images):
    found = httpx.get(f"{base}{path_of(images[0])}/frames/1/window").json()
    assert found[2] == "linear-exact" and found[1] == int(images[0].pixel_array.max()) - int(
        images[0].pixel_array.min()
    )
    url, png = f"{base}{path_of(images[0])}/rendered", {"accept": "image/png"}
    asked = {"window": ",".join(map(str, found))}
    assert (pixels(httpx.get(url, headers=png)) == pixels(httpx.get(url, params=asked, headers=png))).all()
    assert httpx.get(f"{base}{path_of(pydicom.dcmread(COLOUR))}/frames/1/window").status_code == 204


def test_all_frames_of_an_instance_are_rendered(base, images):
    several = pydicom.dcmread(FRAMES)
    url, count = f"{base}{path_of(several)}", several.NumberOfFrames
    for accept in ("image/gif", "*/*", "image/*"):
        moving = httpx.get(f"{url}/rendered", headers={"accept": accept})
        assert moving.headers["content-type"] == "image/gif", accept
        assert getattr(Image.open(io.BytesIO(moving.content)), "n_frames", 1) == count
    for accept in ("image/jpeg", 'multipart/related; type="image/jpeg"', 'multipart/related; type="image/gif"'):
        each = httpx.get(f"{url}/rendered", headers={"accept": accept})
        assert each.headers["content-type"].startswith("multipart/related"), accept
        places = [f"Content-Location: {url}/frames/{number}/rendered\r\n" for number in range(1, count + 1)]
        assert all(place.encode() in each.content for place in places)
    one = httpx.get(f"{url}/frames/2/rendered", headers={"accept": "image/jpeg"})
    assert one.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(one.content)).size == (several.Columns, several.Rows)


def test_annotations_stand_on_a_rendered_image(base, images):
    path = f"{base}/studies/1.2.100/series/1.2.100.1/instances/{images[0].SOPInstanceUID}/rendered?viewport=256,256"
    png = {"accept": "image/png"}
    plain, patient, both = (
        httpx.get(path + more, headers=png).content
        for more in ("", "&annotation=patient", "&annotation=patient,technique")
    )
    assert len({plain, patient, both}) == 3


def test_a_syntax_that_can_not_be_given_is_refused(base, images):
    jpeg_ls = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80'
    path = f"{base}/studies/1.2.100/series/1.2.100.1/instances/{images[0].SOPInstanceUID}"
    answer = httpx.get(path, headers={"accept": jpeg_ls})
    assert answer.status_code == 406 and "1.2.840.10008.1.2.1" in answer.text


def test_what_is_not_kept_to_search_by_matches_everything_and_is_told(base):
    answer = httpx.get(f"{base}/studies", params={"StudyInstanceUID": "1.2.100", "MilitaryRank": "Captain"})
    assert len(answer.json()) == 1 and "00101080" in answer.headers["warning"]


def test_warnings_are_told_with_xml_too(base):
    answer = httpx.get(f"{base}/series?limit=1&AcquisitionNumber=4", headers=XML)
    assert answer.headers["content-type"].startswith("multipart/related")
    assert "00200012" in answer.headers["warning"] and "more results" in answer.headers["warning"]


def test_attributes_are_in_the_order_of_their_tags(base, images):
    [metadata] = httpx.get(f"{base}{path_of(images[0])}/metadata").json()
    assert list(metadata) == sorted(metadata) and {"00080005", "00083002"} <= metadata.keys()
    kept, other = (image(StudyInstanceUID="1.2.400", SOPInstanceUID=f"1.2.400.{number}") for number in (1, 2))
    other.StudyInstanceUID = "1.2.401"
    files = []
    for made in (kept, other):
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        content = io.BytesIO()
        made.save_as(content, enforce_file_format=True)
        files.append(("Content-Type: application/dicom", content.getvalue()))
    headers = {"content-type": 'multipart/related; type="application/dicom"; boundary=x'}
    answer = httpx.post(f"{base}/studies/1.2.400", content=multipart(*files), headers=headers)
    assert answer.status_code == 202 and list(answer.json()) == ["00081190", "00081198", "00081199"]


@pytest.mark.parametrize("path", ["/studies/1.2.100", "/studies/1.2.100/series/1.2.100.1"])
def test_thumbnails(base, path):
    answer = httpx.get(f"{base}{path}/thumbnail")
    assert Image.open(io.BytesIO(answer.content)).size == (128, 128)


def test_wado_uri(base, images):
    one = images[0]
    named = {"requestType": "WADO", "studyUID": "1.2.100", "seriesUID": "1.2.100.1", "objectUID": one.SOPInstanceUID}
    whole = httpx.get(f"{base}/wado", params={**named, "contentType": "application/dicom"})
    assert pydicom.dcmread(io.BytesIO(whole.content)).PixelData == one.PixelData
    shown = httpx.get(f"{base}/wado", params={**named, "windowCenter": 1000, "windowWidth": 500, "rows": 32})
    assert Image.open(io.BytesIO(shown.content)).size == (32, 32)


def test_what_is_stored_over_the_web_is_there(client, base):
    made = [image(32, PatientID="W1") for _ in range(2)]
    answer = client.store_instances(made)
    assert len(answer.ReferencedSOPSequence) == 2 and "FailedSOPSequence" not in answer
    got = client.retrieve_instance(made[0].StudyInstanceUID, made[0].SeriesInstanceUID, made[0].SOPInstanceUID)
    assert got.PixelData == made[0].PixelData
    assert client.store_instances(made[:1]).ReferencedSOPSequence[0].ReferencedSOPInstanceUID == made[0].SOPInstanceUID


def multipart(*parts):
    body = b"".join(b"--x\r\n%s\r\n\r\n%s\r\n" % (head.encode(), content) for head, content in parts)
    return body + b"--x--\r\n"


def test_metadata_with_bulk_data_is_stored(base, client):
    made = image(16, PatientID="W2")
    model = made.to_json_dict(bulk_data_threshold=100, bulk_data_element_handler=lambda element: "urn:pixels")
    body = multipart(
        ("Content-Type: application/dicom+json", json.dumps([model]).encode()),
        ("Content-Type: application/octet-stream\r\nContent-Location: urn:pixels", made.PixelData),
    )
    headers = {"content-type": 'multipart/related; type="application/dicom+json"; boundary=x'}
    answer = httpx.post(f"{base}/studies", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    got = client.retrieve_instance(made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
    assert got.PixelData == made.PixelData and got.PatientID == "W2"


def test_metadata_in_xml_with_bulk_data_is_stored(base, client):
    made = image(16, PatientID="W4", PatientName="Doe^Jane^^Dr", SpecificCharacterSet="ISO_IR 192")
    made.WindowCenter, made.OtherPatientIDsSequence = [40, 400.5], [Dataset()]
    made.OtherPatientIDsSequence[0].PatientID = "Ü1"
    model = made.to_json_dict(bulk_data_threshold=100, bulk_data_element_handler=lambda element: "urn:pixels")
    xml, pixels = "Content-Type: application/dicom+xml", "Content-Type: application/octet-stream"
    headers = {"content-type": 'multipart/related; type="application/dicom+xml"; boundary=x'}
    body = multipart((xml, native(model)), (f"{pixels}\r\nContent-Location: urn:pixels", made.PixelData))
    answer = httpx.post(f"{base}/studies", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    got = client.retrieve_instance(made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
    assert got.PixelData == made.PixelData and got.PatientName == "Doe^Jane^^Dr" and got.Rows == 16
    assert got.OtherPatientIDsSequence[0].PatientID == "Ü1" and list(got.WindowCenter) == [40, 400.5]
    for wrong in (b"<x", b"<NativeDicomModel/>", native(model).replace(b'vr="IS"', b'vr="US"').replace(b">1<", b">a<")):
        assert httpx.post(f"{base}/studies", content=multipart((xml, wrong)), headers=headers).status_code == 400


def test_what_can_not_be_stored_is_told_for_each(base):
    buffer = io.BytesIO()
    image(PatientID="W3").save_as(buffer, enforce_file_format=True)
    headers = {"content-type": 'multipart/related; type="application/dicom"; boundary=x'}
    part = "Content-Type: application/dicom"
    multipart((part, buffer.getvalue()), (part, b"junk"))
    mixed = httpx.post(
        f"{base}/studies", content=multipart((part, buffer.getvalue()), (part, b"junk")), headers=headers
    )
    assert mixed.status_code == 202 and mixed.json()["0008119A"]["Value"][0]["00081197"]["Value"] == [0xC000]
    none = httpx.post(f"{base}/studies", content=multipart((part, buffer.getvalue()[:-10])), headers=headers)
    assert none.status_code == 409
    other = httpx.post(f"{base}/studies/1.2.77", content=multipart((part, buffer.getvalue())), headers=headers)
    assert other.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert httpx.post(f"{base}/studies", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert httpx.post(f"{base}/studies", content=b"--x\r\n", headers=headers).status_code == 400


def test_an_answer_to_storing_comes_as_it_is_accepted_or_nothing_is_stored(base):
    made = image(16, PatientID="W9")
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    url, headers = f"{base}/studies", {"content-type": "application/dicom"}
    refused = httpx.post(url, content=file.getvalue(), headers={**headers, "accept": "text/plain"})
    assert refused.status_code == 406 and "application/dicom+xml" in refused.json()["issue"][0]["diagnostics"]
    assert httpx.get(base + path_of(made)).status_code == 404
    stored = httpx.post(url, content=file.getvalue(), headers={**headers, "accept": "application/dicom+xml"})
    assert stored.status_code == 200 and f'<Value number="1">{base}{path_of(made)}</Value>' in stored.text


def test_metadata_that_makes_no_instance_fails_alone(base):
    good = image(16, PatientID="W8").to_json_dict()
    bad = {**image(16, PatientID="W8").to_json_dict(), "00280010": {"vr": "US", "Value": ["many"]}}
    unnamed = {"00100020": {"vr": "LO", "Value": ["W8"]}}
    body = multipart(("Content-Type: application/dicom+json", json.dumps([good, bad, unnamed]).encode()))
    headers = {"content-type": 'multipart/related; type="application/dicom+json"; boundary=x'}
    answer = httpx.post(f"{base}/studies", content=body, headers=headers)
    assert answer.status_code == 202
    told = answer.json()
    assert told["00081199"]["Value"][0]["00081155"] == good["00080018"]
    assert [each["00081155"]["Value"] for each in told["00081198"]["Value"]] == [bad["00080018"]["Value"]]
    assert len(told["0008119A"]["Value"]) == 1


def test_deleted_is_gone(client, base):
    made = image(16)
    client.store_instances([made])
    url = f"{base}/studies/{made.StudyInstanceUID}"
    assert httpx.delete(url).status_code == 204
    assert httpx.get(f"{url}/metadata").status_code == 404 and httpx.delete(url).status_code == 404


def test_browsers_of_other_origins_may_ask(base):
    answer = httpx.get(f"{base}/studies", headers={"origin": "https://viewer.example"})
    assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
