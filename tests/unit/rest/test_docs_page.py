import re

from fhir_server.rest.docs_page import docs_assets


def test_the_documentation_page_names_only_files_that_are_there():
    assets = docs_assets()
    named = re.findall(r'(?:src|href)="(docs/[^"]+)"', assets.files["/docs"].body.decode())
    assert "docs/swagger-ui-bundle.js" in named
    assert [path for path in named if f"/{path}" not in assets.files] == []


def test_it_loads_nothing_from_another_server():
    assets = docs_assets()
    for path in ("/docs", "/docs/start.js"):
        assert "//" not in re.sub(r"^//.*$", "", assets.files[path].body.decode(), flags=re.M), path
    assert b"default-src 'none'" in dict(assets.answer("/docs").headers)[b"content-security-policy"]
