"""The pages by keyboard and by ear, in a headless Chromium on a started server."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.system.chromium import Chromium, browsing, required
from tests.system.process import Server, serving

HEADER = (
    ("hl7/", "Destinations"), ("dicom/", "Worklist"), ("analytics/", "Reports"), ("billing/", "Claims"),
    ("workforce/", "People"),
)  # fmt: skip
FOCUSED = "document.activeElement"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    required()
    data = tmp_path_factory.mktemp("served")
    interfaces = data.with_name("interfaces.toml")
    interfaces.write_text("[listener.lab]\nport = 0\n")
    mounted = ("--hl7", interfaces, "--dicom", "true", "--dicom-port", 0)
    with serving(data, "--subsystems", "analytics,billing,workforce", "--workers", 1, *mounted) as server:
        put(server, {"resourceType": "Patient", "id": "anna"})
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
        assert browser.said == []


def put(server: Server, resource: dict) -> None:
    url = f"{server.base}/{resource['resourceType']}/{resource['id']}"
    httpx.put(url, json=resource, timeout=60).raise_for_status()


def goes(browser: Chromium, server: Server, place: str) -> None:
    browser.go(f"{server.origin}/pages.json")
    browser.go(f"{server.origin}/{place}")
    browser.until("document.querySelector('main:not([aria-busy=true]) h1') !== null")


def focuses(browser: Chromium, words: str) -> None:
    """Gives the focus to the link or the button that reads so, as Tab would in the end."""
    script = (
        f"[...document.querySelectorAll('a, button')].find((each) => each.innerText.trim() === {json.dumps(words)})"
    )
    browser.until(f"{script} !== undefined")
    browser.run(f"{script}.focus()")


def enters(browser: Chromium) -> None:
    for kind in ("keyDown", "keyUp"):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        browser.call("Input.dispatchKeyEvent", type=kind, **key, **({"text": "\r"} if kind == "keyDown" else {}))


@pytest.mark.parametrize(("page", "link"), HEADER)
def test_a_link_leads_to_the_heading_of_its_place(browser: Chromium, server: Server, page: str, link: str):
    goes(browser, server, page)
    focuses(browser, link)
    enters(browser)
    browser.until(f"{FOCUSED}.matches('main h1') && document.title.startsWith({FOCUSED}.innerText)")
    browser.until(f"document.querySelector('nav [aria-current=page]').innerText === {json.dumps(link)}")


@pytest.mark.parametrize(("page", "link"), HEADER)
def test_the_way_past_the_header_stays_at_the_place(browser: Chromium, server: Server, page: str, link: str):
    goes(browser, server, page)
    browser.press(link)
    browser.until(f"document.querySelector('nav [aria-current=page]').innerText === {json.dumps(link)}")
    place, heading = browser.run("[location.hash, document.querySelector('h1').innerText]")
    browser.run("document.querySelector('.skip').focus()")
    enters(browser)
    browser.until(f"{FOCUSED}.matches('main h1')")
    assert browser.run(f"[location.hash, {FOCUSED}.innerText]") == [place, heading]


def test_a_list_that_is_shown_anew_leaves_the_reader_at_the_same_link(browser: Chromium, server: Server):
    goes(browser, server, "billing/#/journal")
    focuses(browser, "All of it as CSV")
    browser.run("void (document.querySelector('main h1').before = 'as it was')")
    put(server, {"resourceType": "Patient", "id": "ben"})
    browser.until("document.querySelector('main h1').before !== 'as it was'")
    assert browser.run(f"{FOCUSED}.innerText") == "All of it as CSV"


def test_a_file_that_is_being_pasted_stays_while_the_feed_moves(browser: Chromium, server: Server):
    goes(browser, server, "billing/#/files")
    browser.run("document.querySelector('textarea').focus()")
    browser.call("Input.insertText", text="ISA*00*")
    focuses(browser, "Load")
    put(server, {"resourceType": "Patient", "id": "cleo"})
    for _ in range(2):  # looks of the page at the feed, the second of which comes after what the first has led to
        browser.run("performance.clearResourceTimings()")
        browser.until("performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/state'))")
    assert browser.run("document.querySelector('textarea').value") == "ISA*00*"
    enters(browser)
    browser.sees("Set aside: An interchange must begin")


def test_a_question_that_is_called_off_does_nothing(browser: Chromium, server: Server):
    goes(browser, server, "billing/#/work")
    browser.run("void (window.prompt = () => null)")
    asked = "import('/billing/page/parts.js').then(({ reason }) => reason()).catch((problem) => problem.message)"
    assert browser.run(asked) == "Nothing was done."


def test_that_something_is_copied_is_said(browser: Chromium, server: Server):
    goes(browser, server, "#/Patient/anna")
    focuses(browser, "Copy URL")
    enters(browser)
    browser.until(f"{FOCUSED}.nextElementSibling.matches('[role=status]')")
    browser.until(f"['Copied', 'Not copied'].includes({FOCUSED}.nextElementSibling.textContent)")


@pytest.mark.parametrize("place", ["#/Patient/karim", "#/Patient?_id=karim"])
def test_what_is_written_from_right_to_left_keeps_its_order(browser: Chromium, server: Server, place: str):
    put(server, {"resourceType": "Patient", "id": "karim", "address": [{"line": ["شارع 12"], "city": "القاهرة 11511"}]})
    goes(browser, server, place)
    ends = """(() => {
      const [words] = [...document.querySelectorAll("main bdi")].map((each) => each.firstChild)
        .filter((each) => each.textContent.includes("11511"));
      const at = (part) => {
        const range = document.createRange();
        range.setStart(words, words.textContent.indexOf(part));
        range.setEnd(words, words.textContent.indexOf(part) + part.length);
        return range.getBoundingClientRect().left;
      };
      return [at("شارع"), at("12"), at("القاهرة"), at("11511")];
    })()"""
    browser.call("Emulation.setDeviceMetricsOverride", width=1600, height=844, deviceScaleFactor=1, mobile=False)
    found = browser.run(ends)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("dark", ["light", "dark"])
def test_the_documentation_of_the_interface_can_be_read(browser: Chromium, server: Server, dark: str):
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": dark}])
    browser.go(f"{server.origin}/docs")
    browser.until("document.querySelector('.opblock-delete') !== null && document.getElementById('servers') !== null")
    browser.until("document.getElementById('servers').getAttribute('aria-label') === 'Servers'")
    assert browser.run("document.querySelectorAll('main').length") == 1
    shown = "[...document.querySelectorAll('.opblock-summary-method, .info small pre, .info .url')]"
    faint = browser.run(f"({CONTRASTS})({shown}).filter(([, contrast]) => contrast < 4.5)")
    assert faint == []


# Of each element its words and the contrast of its colour to what is behind it, by WCAG 2.2.
CONTRASTS = """(elements) => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const clear = (colour) => parts(colour)[3] === 0;
  const behind = (each) => {
    for (; each; each = each.parentElement)
      if (!clear(getComputedStyle(each).backgroundColor)) return getComputedStyle(each).backgroundColor;
    return "rgb(255, 255, 255)";
  };
  return elements.map((each) => {
    const [low, high] = [light(getComputedStyle(each).color), light(behind(each))].sort((one, other) => one - other);
    return [each.innerText, (high + 0.05) / (low + 0.05)];
  });
}"""
