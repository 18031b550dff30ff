"""What viewers ask: the client that OHIF asks by, from a page of another origin, and the requests of Weasis."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pydicom
import pytest

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from tests.system.chromium import browsing
from tests.system.dicom.images import encoded, study
from tests.system.process import serving

OPTIONS = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0)
CLIENT = Path(__file__).parents[2] / "data" / "dicomweb-client" / "dicomweb-client.js"
STUDY, SERIES = "1.2.300", "1.2.300.1"
FRAMES = "multipart/related; type=application/octet-stream; transfer-syntax=*"  # as OHIF 3.12 asks
DIGEST = "const digest = async (bytes) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(',');"


@pytest.fixture(scope="module")
def images():
    return study(3, 64, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES)


@pytest.fixture(scope="module")
def server(tmp_path_factory, images):
    data = tmp_path_factory.mktemp("viewers")
    archive = Archive(Settings(data=data, dicom_fsync=False, dicom_reserve_mb=0))
    for made in images:
        archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    archive.close()
    with serving(data, *OPTIONS) as started:
        yield started


@pytest.fixture(scope="module")
def viewer(server, tmp_path_factory):
    """A function that runs JavaScript with such a client on a page whose origin is another than the server's."""
    folder = tmp_path_factory.mktemp("viewer")
    (folder / "index.html").write_text("<title>viewer</title>")
    site = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        browser.go(f"http://127.0.0.1:{site.server_port}/")
        browser.run(f"{CLIENT.read_text('utf-8')}; 1")
        root = json.dumps(f"{server.origin}/dicom-web")
        browser.run(f"void (window.client = new DICOMwebClient.api.DICOMwebClient({{url: {root}, singlepart: ''}}))")
        yield lambda script: browser.run(f"(async () => {{ {script} }})()")
    site.shutdown()
    site.server_close()


def test_ohif_lists_studies_and_their_series(viewer):
    asked = {"limit": 101, "offset": 0, "fuzzymatching": True, "includefield": "00081030,00080060", "00100020": "P1"}
    [found] = viewer(f"return client.searchForStudies({{queryParams: {json.dumps(asked)}}})")
    assert found["0020000D"]["Value"] == [STUDY] and found["00081030"]["Value"] == ["Chest"]
    fields = {"includefield": "00080021,00080031,0008103E,00200011"}
    [series] = viewer(
        f"return client.searchForSeries({{studyInstanceUID: '{STUDY}', queryParams: {json.dumps(fields)}}})"
    )
    assert series["0020000E"]["Value"] == [SERIES] and series["0008103E"]["Value"] == ["Axial"]
    assert viewer("return client.searchForStudies({queryParams: {limit: 101, offset: 1}})") == []


def test_ohif_reads_metadata_and_frames(viewer, images):
    uids = f"studyInstanceUID: '{STUDY}', seriesInstanceUID: '{SERIES}'"
    metadata = viewer(f"return client.retrieveSeriesMetadata({{{uids}}})")
    assert {each["00080018"]["Value"][0] for each in metadata} == {each.SOPInstanceUID for each in images}
    for made in images:
        url = f"/studies/{STUDY}/series/{SERIES}/instances/{made.SOPInstanceUID}/frames/1"
        shown = viewer(f"""{DIGEST}
            const asked = {{headers: {{Accept: {json.dumps(FRAMES)}}}}};
            const body = new Uint8Array(await (await fetch(client.wadoURL + '{url}', asked)).arrayBuffer());
            const begin = new TextDecoder('latin1').decode(body).indexOf('\\r\\n\\r\\n') + 4;
            return digest(body.slice(begin, begin + {len(made.PixelData)}));""")
        assert shown == digest(made.PixelData)


def digest(content):
    return ",".join(str(each) for each in hashlib.sha256(content).digest())


def test_ohif_reads_bulk_data_where_the_metadata_say(viewer, images):
    made = images[0]
    names = f"studyInstanceUID: '{STUDY}', seriesInstanceUID: '{SERIES}', sopInstanceUID: '{made.SOPInstanceUID}'"
    got = viewer(f"""{DIGEST}
        const [metadata] = await client.retrieveInstanceMetadata({{{names}}});
        const got = await client.retrieveBulkData({{BulkDataURI: metadata['7FE00010'].BulkDataURI}});
        return digest(Array.isArray(got) ? got[0] : got);""")
    assert got == digest(made.PixelData)


@pytest.mark.parametrize("others", [{}, {"transferSyntax": "1.2.840.10008.1.2.1"}, {"transferSyntax": "*"}])
def test_weasis_reads_instances_by_wado_uri(server, images, others):
    made = images[0]
    query = {"requestType": "WADO", "studyUID": STUDY, "seriesUID": SERIES, "objectUID": made.SOPInstanceUID}
    answer = httpx.get(
        f"{server.origin}/dicom-web/wado", params={**query, "contentType": "application/dicom", **others}
    )
    assert answer.headers["content-type"] == "application/dicom"
    assert pydicom.dcmread(io.BytesIO(answer.content)).PixelData == made.PixelData


def test_weasis_reads_thumbnails_and_instances_by_dicomweb(server, images):
    root = f"{server.origin}/dicom-web/studies/{STUDY}/series/{SERIES}"
    small = httpx.get(f"{root}/thumbnail?viewport=256,256", headers={"accept": "image/jpeg"})
    assert small.content[:2] == b"\xff\xd8"
    wanted = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    answer = httpx.get(f"{root}/instances/{images[0].SOPInstanceUID}", headers=wanted)
    assert answer.headers["content-type"].startswith("multipart/related")
    assert images[0].PixelData in answer.content
