"""The settings in force, read from calls, the environment and a file, and what the table says of each.

A value comes from the first of: the call (the command line), HMS_NAME in the environment, the TOML file that --config
or HMS_CONFIG names, the default. msgspec checks them: it is loaded anyway and costs the start nothing
(docs/decisions/0006-settings-without-a-library.md).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from fhir_server.core.errors import FhirError, error
from fhir_server.core.settings import Settings

PREFIX = "HMS_"
FILE_VARIABLE = "HMS_CONFIG"
# The settings that name what a start needs to be there; who reads other files tells of them before it starts.
FILES = (
    "openid", "policies", "encryption_keys", "account_keys", "deidentify_rules", "alert_rules", "brands",
    "subscription_authorities", "report_font", "smtp_authorities", "workforce_pay", "workforce_training",
    "elasticsearch_ca",
)  # fmt: skip
FOLDERS = ("subscription_topics", "views", "indicators", "reports")
# Of a text in quotes: the quote and a scheme, which may be told, then the login that a URL may have.
LOGIN = re.compile(r"^(.(?:[\w+]+:/*)?).*@")


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force; overrides that are None count as not given.

    FhirError "value" that names the setting, where it came from and what it may be.
    """
    environ = os.environ if environ is None else environ
    if config is None and environ.get(FILE_VARIABLE):
        config = Path(environ[FILE_VARIABLE])
    given: dict[str, Any] = {}
    origin: dict[str, str] = {}
    sources = [
        (f"in {config}", _from_file(config) if config else {}),
        ("in the environment", _from_environment(environ)),
        ("on the command line", {name: value for name, value in (overrides or {}).items() if value is not None}),
    ]
    for where, values in sources:
        for name, value in values.items():
            if name not in Settings.__struct_fields__:
                raise _unknown(name, where)
            given[name] = value
            origin[name] = where
    return msgspec.structs.replace(Settings(), **{name: _value(name, given[name], origin[name]) for name in given})


def require_whole(settings: Settings) -> None:
    """FhirError "value" where one of the two services of the distributed engine is named without the other."""
    if bool(settings.mongodb_url) != bool(settings.elasticsearch_url):
        there, lacking, what = (
            ("mongodb_url", "elasticsearch_url", "the Elasticsearch that answers searches, such as http://es1:9200")
            if settings.mongodb_url
            else ("elasticsearch_url", "mongodb_url", "the MongoDB that keeps the resources, such as mongodb://db1,db2")
        )
        raise error(
            "value",
            f"{there} is set and {lacking} is not: set {PREFIX}{lacking.upper()} (or --{lacking.replace('_', '-')}) to "
            f"{what}, or leave both out for the embedded store.",
        )


def require_places(settings: Settings) -> None:
    """FhirError "value" where a setting names a file or folder that is not there or can't be read."""
    for name in (*FILES, *FOLDERS):
        place = getattr(settings, name)
        try:
            if place and name in FOLDERS:
                os.scandir(place).close()
            elif place:
                Path(place).open("rb").close()
        except OSError as problem:
            raise error(
                "value", f"{name} names {place}, which can't be read: {problem.strerror}. {description(name)}"
            ) from problem


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise error("value", f"The settings file {path} can't be read: {problem.strerror}.") from problem
    except ValueError as problem:
        raise error("value", f"The settings file {path} is not TOML: {problem}.") from problem


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name != FILE_VARIABLE
    }


_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(Settings)}


def _value(name: str, value: Any, where: str) -> Any:
    wanted = _FIELDS[name].type
    if isinstance(value, str) and isinstance(_FIELDS[name].default, tuple):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        made = msgspec.convert(value, wanted, strict=False, dec_hook=_path)
    except msgspec.ValidationError as problem:
        form = "of another form" if "pattern" in _schema(name) else limits(name)
        raise error(
            "value", f"{name} can't be {_told(value)} ({where}); it must be {form}. {description(name)}"
        ) from problem
    means, otherwise = _MEANT.get(name, (None, ""))
    if means is not None and not means(made):
        raise error("value", f"{name} can't be {_told(value)} ({where}); {otherwise}. {description(name)}")
    return made


def _told(value: Any) -> str:
    """A value as an error tells it: shortened, and without the login that a URL may have."""
    return LOGIN.sub(r"\1…@", repr(value))[:100]


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _are_networks(names: tuple[str, ...]) -> bool:
    from ipaddress import ip_network

    try:
        return all(map(ip_network, names))
    except ValueError:
        return False


# An origin as a browser sends it (https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin).
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_USUAL_PORT = re.compile(r"http://.*:80|https://.*:443")


def _are_origins(names: tuple[str, ...]) -> bool:
    return all(_ORIGIN.fullmatch(name) and not _USUAL_PORT.fullmatch(name) for name in names)


_NO_NETWORK = "each must be a network such as 10.0.0.0/8 or 2001:db8::/32, with no bits behind the prefix"
_MEANT: dict[str, tuple[Callable[[Any], bool], str]] = {  # what a schema can't say of values, and of those that are not
    "timezone": (_is_zone, "no such zone is known"),
    "cors_origins": (
        _are_origins,
        "each must be * or an origin as browsers send it, such as https://app.example.org or http://localhost:3000: in "
        "lower case, with no path, no slash at its end and no port that is the usual one",
    ),
    "allowed_networks": (_are_networks, _NO_NETWORK),
    "metrics_networks": (_are_networks, _NO_NETWORK),
}


def description(name: str) -> str:
    """What a setting means."""
    return _schema(name)["description"]


def limits(name: str) -> str:
    """What a setting may be: "a whole number from 0 to 65535", "FULL, NORMAL or OFF"."""
    if choices(name):
        *first, last = choices(name)
        return f"{', '.join(first)} or {last}"
    if kind(name) == "integer":
        schema = _schema(name)
        upper = f" to {schema['maximum']}" if "maximum" in schema else ""
        return f"a whole number from {schema['minimum']}{upper}"
    return {"array": "texts with commas between", "string": "text"}[kind(name)]


def choices(name: str) -> tuple[str, ...]:
    """The values that a setting may have, where they are few; else ()."""
    wanted = get_args(_FIELDS[name].type)[0]
    found: list[str] = []
    for each in get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,):
        found += ("true", "false") if each is bool else get_args(each) if get_origin(each) is Literal else ()
    return tuple(found)


def kind(name: str) -> str:
    """What a setting is: string, integer, boolean or array."""
    return _schema(name).get("type", "string")


def _schema(name: str) -> dict[str, Any]:
    return msgspec.json.schema(_FIELDS[name].type, schema_hook=lambda wanted: {"type": "string"})


def _path(wanted: type, value: Any) -> Any:
    if wanted is Path and isinstance(value, (str, Path)) and value != "":
        return Path(value)
    raise msgspec.ValidationError("Expected a path")


def _unknown(name: str, where: str) -> FhirError:
    near = difflib.get_close_matches(name, Settings.__struct_fields__, 1, 0.5)
    hint = f" Did you mean {near[0]}?" if near else " docs/reference/settings.md lists them."
    return error("value", f"There is no setting {name} ({where}).{hint}")
