"""The page for people, in a headless Chromium on a real server. What is compared is the page as a person would have it:
the document after its scripts ran.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from lxml import html

from fhir_server import bootstrap
from fhir_server.rest.http1.serving import serve
from tests.engines import settings_on

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=10000",
    "--dump-dom",
]

HOSTILE = """<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="document.title='pwned'">Said <b>safely</b>
<script>document.title='pwned'</script><img src="x" onerror="document.title='pwned'"/>
<img src="http://127.0.0.1:9/track.png" alt="tracker"/><a href="javascript:document.title='pwned'">go</a>
<iframe src="http://127.0.0.1:9/"></iframe><span style="position:fixed;inset:0">over</span></p></div>"""

RESOURCES = [
    {
        "resourceType": "Patient",
        "id": "ada",
        "name": [{"family": "Byron", "given": ["Ada"]}],
        "birthDate": "1815-12-10",
    },
    {
        "resourceType": "Patient",
        "id": "ada",
        "text": {"status": "additional", "div": HOSTILE},
        "name": [{"family": "Lovelace", "given": ["Ada"]}, {"text": "<img src=x onerror=document.title='pwned'>"}],
        "birthDate": "1815-12-10",
    },
    {
        "resourceType": "Observation",
        "id": "height",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body height"}]},
        "subject": {"reference": "Patient/ada"},
        "effectiveDateTime": "1840-02",
        "valueQuantity": {"value": 1.50, "unit": "m", "system": "http://unitsofmeasure.org", "code": "m"},
    },
]

Browser = Callable[[str], html.HtmlElement]


@pytest.fixture(scope="module")
def chromium() -> str:
    if CHROMIUM is None:
        warnings.warn("Chromium is not installed: the page is not tested in a browser.", stacklevel=1)
        pytest.skip("Chromium is not installed: the page is not tested in a browser.")
    return CHROMIUM


@pytest.fixture(scope="module")
def address(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a few resources on a socket of its own: http://127.0.0.1:PORT."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with settings_on(engine, tmp_path_factory.mktemp("page")) as settings:
        # Without validation, which would refuse the hostile narrative: the page must not rely on it.
        application = bootstrap.application(msgspec.structs.replace(settings, validation="none"))
        loop, stop = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(
            target=loop.run_until_complete, args=(serve(application, listening, stop, 5),), daemon=True
        )
        thread.start()
        for resource in RESOURCES:
            put(f"{address}/fhir/{resource['resourceType']}/{resource['id']}", resource)
        yield address
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def put(url: str, resource: dict) -> None:
    headers = {"content-type": "application/fhir+json"}
    # 1.50 as it would be written by hand: json.dumps would shorten it.
    body = json.dumps(resource).replace('"value": 1.5,', '"value": 1.50,').encode()
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=10).close()


@pytest.fixture(scope="module")
def browse(chromium: str, address: str, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Goes to a place of the page ("#/Patient") and gives its document."""
    profile: Path = tmp_path_factory.mktemp("profile")

    def go(place: str) -> html.HtmlElement:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", f"{address}/{place}"]
        run = subprocess.run(command, capture_output=True, timeout=60, check=True)
        return html.fromstring(run.stdout.decode())

    return go


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def main(document: html.HtmlElement) -> html.HtmlElement:
    return document.get_element_by_id("main")


def links(document: html.HtmlElement) -> dict[str, str]:
    """The links of the content: words -> where to."""
    return {words(link): link.get("href", "") for link in main(document).iter("a")}


def test_home_counts_what_is_stored(browse: Browser) -> None:
    document = browse("")
    shown = links(document)
    assert shown["Patient1"] == "#/Patient"
    assert shown["Observation1"] == "#/Observation"
    assert "2 resources stored" in words(main(document))
    assert "FHIR 4.0.1" in words(document.find(".//header"))


def test_a_search_is_a_table_with_links(browse: Browser) -> None:
    document = browse("#/Observation?code=http://loinc.org|8302-2")
    text = words(main(document))
    assert "1 found" in text
    assert "1.50 m" in text
    assert "Feb 1840" in text
    assert links(document)["Body height"] == "#/Observation/height"
    assert links(document)["Patient/ada"] == "#/Patient/ada"


def test_a_page_shows_its_request_as_url_and_curl(browse: Browser, address: str) -> None:
    bar = words(browse("#/Patient?family=Lovelace").find(".//section[@class='request-bar']"))
    assert f"curl -H 'Accept: application/fhir+json' '{address}/fhir/Patient?family=Lovelace'" in bar
    assert "200 OK" in bar
    assert " ms" in bar


def test_a_resource_is_readable(browse: Browser) -> None:
    document = browse("#/Observation/height")
    assert words(document.find(".//h1")) == "Body height"
    assert "LOINC 8302-2" in words(main(document))
    assert links(document)["Patient/ada"] == "#/Patient/ada"


def test_stored_markup_never_becomes_markup(browse: Browser) -> None:
    document = browse("#/Patient/ada")
    assert "pwned" not in document.findtext(".//title", "")
    narrative = document.find(".//div[@class='narrative-content']")
    assert words(narrative).startswith("Said safely")
    allowed = {"div", "p", "b", "a", "span"}
    assert {element.tag for element in narrative.iter()} <= allowed
    assert {name for element in narrative.iterdescendants() for name in element.attrib} == set()
    assert not main(document).xpath(".//img | .//script | .//iframe | .//@onerror | .//@onclick")
    assert "<img src=x onerror=document.title='pwned'>" in words(main(document))


def test_the_raw_views_are_the_servers_own_words(browse: Browser) -> None:
    assert '"value": 1.50' in words(main(browse("#/Observation/height~json")))
    assert '<value value="1.50"/>' in words(main(browse("#/Observation/height~xml")))


@pytest.mark.parametrize("place", ["", "#/Patient/ada", "#/Patient/ada~json"])
def test_a_button_is_called_as_it_reads(browse: Browser, place: str) -> None:
    named = [(each.get("aria-label"), words(each)) for each in browse(place).iter("button") if each.get("aria-label")]
    read = [(name, shown) for name, shown in named if shown != "×"]
    assert read and [name for name, shown in read if not name.startswith(shown)] == []


def test_what_refers_to_a_resource_is_counted(browse: Browser) -> None:
    document = browse("#/Patient/ada~referrers")
    assert links(document)["by subject1"] == "#/Observation?subject=Patient/ada"


def test_history_leads_to_what_changed(browse: Browser) -> None:
    document = browse("#/Patient/ada/_history")
    changed = next(href for text, href in links(document).items() if "change" in text)
    assert changed == "#/Patient/ada/_history~diff:1:2"
    difference = browse(changed)
    assert [words(removed) for removed in difference.iter("del")] == ["Byron"]
    assert "Lovelace" in [words(added) for added in difference.iter("ins")]


def test_an_error_says_what_to_change(browse: Browser) -> None:
    text = words(main(browse("#/Patient?nmae=x")))
    assert "The request was refused (400)" in text
    assert "nmae" in text
    assert "Not found (404)" in words(main(browse("#/Patient/nobody")))
