"""NDC, the FDA's directory of drugs: product.txt and package.txt (https://www.fda.gov/drugs → NDC directory)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.loaders.source import Files, required_columns
from terminology.model import INACTIVE, Property, Record, SystemInfo

URL = "http://hl7.org/fhir/sid/ndc"
_PRODUCT = {
    "PRODUCTTYPENAME": "product-type", "NONPROPRIETARYNAME": "nonproprietary-name", "DOSAGEFORMNAME": "dosage-form",
    "ROUTENAME": "route", "MARKETINGCATEGORYNAME": "marketing-category", "LABELERNAME": "labeler",
    "SUBSTANCENAME": "substance", "DEASCHEDULE": "dea-schedule", "STARTMARKETINGDATE": "marketing-start",
    "ENDMARKETINGDATE": "marketing-end",
}  # fmt: skip
_DATES = ("STARTMARKETINGDATE", "ENDMARKETINGDATE")

Row = dict[str, str]


def eleven_digits(code: str) -> str:
    """The package code as claims have it: 5, 4 and 2 digits without hyphens."""
    labeler, product, package = code.split("-")
    return labeler.zfill(5) + product.zfill(4) + package.zfill(2)


def _name(row: Row) -> str:
    brand = " ".join(filter(None, (row["PROPRIETARYNAME"], row["PROPRIETARYNAMESUFFIX"])))
    strengths = zip(row["ACTIVE_NUMERATOR_STRENGTH"].split("; "), row["ACTIVE_INGRED_UNIT"].split("; "), strict=False)
    strength = ", ".join(" ".join(filter(None, pair)) for pair in strengths)
    generic = row["NONPROPRIETARYNAME"]
    name = f"{brand} ({generic})" if generic and generic.lower() != brand.lower() else brand or generic
    return " ".join(filter(None, (name, strength, row["DOSAGEFORMNAME"].lower())))


def _properties(row: Row) -> Iterator[Property]:
    for column, name in _PRODUCT.items():
        for value in row.get(column, "").split("; "):
            if column in _DATES and len(value) == 8:
                yield Property(name, "dateTime", f"{value[:4]}-{value[4:6]}-{value[6:]}")
            elif value:
                yield Property(name, "string", value)
    for group in filter(None, row.get("PHARM_CLASSES", "").split(", ")):
        yield Property("pharmacologic-class", "string", group)


def _flags(row: Row) -> int:
    return 0 if row.get("NDC_EXCLUDE_FLAG", "N") == "N" else INACTIVE


def products(files: Files) -> Iterator[Record]:
    """A concept for each product code; a code that is listed twice is taken once."""
    seen: set[str] = set()
    for row in files.separated(files.find("product.txt")[0], "\t"):
        if row["PRODUCTNDC"] not in seen:
            seen.add(row["PRODUCTNDC"])
            yield Record(row["PRODUCTNDC"], _name(row), flags=_flags(row), properties=tuple(_properties(row)))


def packages(files: Files) -> Iterator[Record]:
    """Two concepts for each package below its product: the code with hyphens, and the one of eleven digits."""
    names = {row["PRODUCTID"]: _name(row) for row in files.separated(files.find("product.txt")[0], "\t")}
    seen: set[str] = set()
    for row in files.separated(files.find("package.txt")[0], "\t"):
        code = row["NDCPACKAGECODE"]
        if code.count("-") != 2:
            continue
        name = "; ".join(filter(None, (names.get(row["PRODUCTID"], ""), row["PACKAGEDESCRIPTION"])))
        for spelled, other in ((code, eleven_digits(code)), (eleven_digits(code), code)):
            if spelled not in seen:
                seen.add(spelled)
                properties = (Property("same-as", "code", other),)
                yield Record(spelled, name, "", _flags(row), (), properties, (row["PRODUCTNDC"],))


def plan(source: Path, options: Options) -> Plan:
    """source: the folder or zip with both files."""
    files = Files(source)
    for file, columns in (("product.txt", tuple(_PRODUCT)), ("package.txt", ("PRODUCTNDC", "NDCPACKAGECODE"))):
        required_columns(next(files.separated(files.find(file)[0], "\t"), None), columns, file)
    info = SystemInfo(URL, options.get("version", ""), "National Drug Code")
    return Plan(
        info,
        (
            Stage("products", "records", lambda: products(files)),
            Stage("packages", "records", lambda: packages(files)),
        ),
    )


LOADER = Loader(
    "ndc", "National Drug Code (NDC)", "the folder or zip of the FDA's directory: product.txt and package.txt",
    {"version": "the date of the download, as the version"}, plan,
)  # fmt: skip
