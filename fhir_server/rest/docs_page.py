"""The API documentation at /docs: Swagger UI over our own openapi.json, served from here, so that it works offline.

Swagger UI's files come from the package fastapi-swagger, which carries each release of it; of that package only the
files are used.
"""

from __future__ import annotations

import functools
from importlib.metadata import files
from pathlib import Path

from fhir_server.rest.page_assets import PAGE_POLICY, Assets, asset, folder_assets

SWAGGER_UI_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


@functools.cache
def docs_assets() -> Assets:
    """The documentation page: "/docs" and "/docs/<file>". It asks for "/openapi.json" beside it.

    The first call takes a tenth of a second: call it when the page is first asked for, not when the server starts.
    """
    found = folder_assets("docs", "/docs/")
    found["/docs"] = found.pop("/docs/index.html")
    # By its metadata, as importing the package would import FastAPI with it.
    carried = {file.name: Path(str(file.locate())) for file in files("fastapi-swagger") or ()}
    for name in SWAGGER_UI_FILES:
        found[f"/docs/{name}"] = asset(name, carried[name].read_bytes())
    return Assets(found, PAGE_POLICY)
