"""The pages of docs/reference that are made from the code; `make docs` renews them and tests hold them current."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from fhir_server.commands.commands_reference import commands_page
from fhir_server.commands.interfaces_reference import interfaces_page
from fhir_server.commands.mapping_reference import mapping_page
from fhir_server.commands.options import text
from fhir_server.core.configuration import FILE_VARIABLE, PREFIX, description, limits
from fhir_server.core.settings import Settings

HEAD = f"""# Settings

<!-- Made from fhir_server/core/settings.py by `make docs`. -->

Each setting can be given in four ways; the first of these that gives it wins:

1. on the command line: `hms serve --default-page-size 50` (`_` becomes `-`)
2. in the environment: `{PREFIX}` and the name in capitals; lists with commas, switches as `true` or `false`
3. in a TOML file that `--config FILE` or `{FILE_VARIABLE}` names, such as

   ```toml
   port = 8443
   cors_origins = ["https://app.example.org"]
   ```

4. its default

A name that does not exist or a value that is not possible ends the start with a message that says so.

| setting | default | may be | meaning |
| --- | --- | --- | --- |
"""


def settings_page() -> str:
    """The page as Markdown."""
    rows = [
        f"| `{name}` | {code(text(default))} | {limits(name)} | {description(name)} |"
        for name, default in msgspec.structs.asdict(Settings()).items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def code(value: str) -> str:
    """A value in code type, or the word for none."""
    return f"`{value}`" if value else "empty"


if __name__ == "__main__":
    from interfaces.dicom.conformance import conformance_page

    Path(sys.argv[1], "settings.md").write_text(settings_page(), "utf-8")
    Path(sys.argv[1], "commands.md").write_text(commands_page(), "utf-8")
    Path(sys.argv[1], "dicom-conformance.md").write_text(conformance_page(), "utf-8")
    Path(sys.argv[1], "hl7v2-interfaces.md").write_text(interfaces_page(), "utf-8")
    Path(sys.argv[1], "hl7v2-mapping.md").write_text(mapping_page(), "utf-8")
