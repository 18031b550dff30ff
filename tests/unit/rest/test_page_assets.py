import gzip
import re

import pytest

from fhir_server.rest.page_assets import asset, page_assets

ASSETS = page_assets()


def header(answer, name):
    return dict(answer.headers).get(name.encode(), b"").decode()


def test_the_base_url_is_the_page():
    answer = ASSETS.answer("/")
    assert answer.status == 200
    assert header(answer, "content-type") == "text/html; charset=utf-8"
    assert b"<main" in answer.body


def test_an_unknown_path_is_not_answered():
    assert ASSETS.answer("/page/nothing.js") is None
    assert ASSETS.answer("/page/../page_assets.py") is None


def test_everything_the_page_names_is_there():
    index = ASSETS.files["/"].body.decode()
    named = re.findall(r'(?:src|href)="(page/[^"]+)"', index)
    assert {"page/style.css", "page/main.js"} <= set(named)
    assert [path for path in named if f"/{path}" not in ASSETS.files] == []


def test_every_module_that_another_imports_is_there():
    imports = {
        name
        for path, file in ASSETS.files.items()
        if path.endswith(".js")
        for name in re.findall(r'from "\./([^"]+)"', file.body.decode())
    }
    assert [name for name in imports if f"/page/{name}" not in ASSETS.files] == []


def test_no_file_loads_from_another_server():
    for path, file in ASSETS.files.items():
        text = file.body.decode()
        assert not re.search(r'(?:src|href)="(?:https?:)?//|@import|\burl\(|\bimport\("', text), path


def test_no_module_parses_text_as_markup():
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    for path, file in ASSETS.files.items():
        assert not forbidden.search(file.body.decode()), path


def test_gzip_where_the_browser_takes_it():
    plain, small = ASSETS.answer("/page/main.js"), ASSETS.answer("/page/main.js", "br, gzip")
    assert header(small, "content-encoding") == "gzip"
    assert header(small, "content-length") == str(len(small.body))
    assert len(small.body) < len(plain.body)
    assert gzip.decompress(small.body) == plain.body


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_browser_that_has_the_file_gets_304(encoding):
    etag = header(ASSETS.answer("/page/main.js", encoding), "etag")
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = ASSETS.answer("/page/main.js", encoding, sent)
        assert (answer.status, answer.body) == (304, b"")
    assert ASSETS.answer("/page/main.js", encoding, '"other"').status == 200


def test_the_two_forms_of_a_file_have_tags_of_their_own():
    tags = {header(ASSETS.answer("/", encoding), "etag") for encoding in ("", "gzip")}
    assert len(tags) == 2


def test_other_content_has_another_tag():
    assert asset("a.js", b"1").etag != asset("a.js", b"2").etag


def test_no_inline_script_and_no_remote_load_is_allowed():
    policy = header(ASSETS.answer("/"), "content-security-policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
