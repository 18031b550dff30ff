"""Small releases of licensed terminologies in their true layout, made up for the tests."""

# ruff: noqa: E501 - rows of tables
from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

# SNOMED CT: id, fully specified name, preferred term, is-a, attributes (group, type, value)
ROOT, ATTRIBUTE = "138875005", "762705008"
FINDING, DISEASE, PNEUMONIA = "404684003", "64572001", "233604007"
BACTERIAL, VIRAL, OLD = "53084003", "75570004", "111111111109"
SITE, AGENT, LUNG, LOBE, ORGANISM = "363698007", "246075003", "39607008", "31094006", "410607006"
BACTERIA, VIRUS, STRENGTH, REFSET = "409822003", "49872002", "1142135004", "900000000000497000"
US_ENGLISH, GB_ENGLISH = "900000000000509007", "900000000000508004"
CONCEPTS: dict[str, tuple[str, str, tuple[str, ...], tuple[tuple[int, str, str], ...]]] = {
    ROOT: ("SNOMED CT Concept (SNOMED RT+CTV3)", "SNOMED CT Concept", (), ()),
    ATTRIBUTE: ("Concept model object attribute (attribute)", "Concept model object attribute", (ROOT,), ()),
    SITE: ("Finding site (attribute)", "Finding site", (ATTRIBUTE,), ()),
    AGENT: ("Causative agent (attribute)", "Causative agent", (ATTRIBUTE,), ()),
    STRENGTH: ("Has strength value (attribute)", "Has strength value", (ATTRIBUTE,), ()),
    REFSET: ("CTV3 simple map (foundation metadata concept)", "CTV3 simple map", (ROOT,), ()),
    LUNG: ("Lung structure (body structure)", "Lung structure", (ROOT,), ()),
    LOBE: ("Structure of lobe of lung (body structure)", "Lobe of lung", (LUNG,), ()),
    ORGANISM: ("Organism (organism)", "Organism", (ROOT,), ()),
    BACTERIA: ("Domain Bacteria (organism)", "Bacteria", (ORGANISM,), ()),
    VIRUS: ("Virus (organism)", "Virus", (ORGANISM,), ()),
    FINDING: ("Clinical finding (finding)", "Clinical finding", (ROOT,), ()),
    DISEASE: ("Disease (disorder)", "Disease", (FINDING,), ()),
    PNEUMONIA: ("Pneumonia (disorder)", "Pneumonia", (DISEASE,), ((1, SITE, LUNG),)),
    BACTERIAL: ("Bacterial pneumonia (disorder)", "Bacterial pneumonia", (PNEUMONIA,), ((1, SITE, LUNG), (1, AGENT, BACTERIA))),
    VIRAL: ("Viral pneumonia (disorder)", "Viral pneumonia", (PNEUMONIA,), ((1, SITE, LOBE), (2, AGENT, VIRUS))),
}  # fmt: skip


def _table(path: Path, header: str, rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")


def snomed(folder: Path) -> Path:
    """An edition in RF2."""
    module, date = "900000000000207008", "20260101"
    terminology = folder / "SnomedCT_InternationalRF2" / "Snapshot" / "Terminology"
    refset = folder / "SnomedCT_InternationalRF2" / "Snapshot" / "Refset"
    concepts = [(code, date, 1, module, "900000000000074008") for code in CONCEPTS]
    concepts.append((OLD, date, 0, module, "900000000000074008"))
    _table(
        terminology / f"sct2_Concept_Snapshot_INT_{date}.txt",
        "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId",
        concepts,
    )
    texts, language = [], []
    for number, (code, (full, preferred, _, _)) in enumerate(
        [*CONCEPTS.items(), (OLD, ("Old thing (finding)", "Old", (), ()))]
    ):
        for kind, type, term in ((1, "900000000000003001", full), (2, "900000000000013009", preferred)):
            texts.append((f"{number}{kind}017", date, 1, module, code, "en", type, term, "900000000000448009"))
            language.append(
                (f"{number}{kind}", date, 1, module, US_ENGLISH, f"{number}{kind}017", "900000000000548007")
            )
    texts.append(
        ("99011", date, 1, module, PNEUMONIA, "en", "900000000000013009", "Lung inflammation", "900000000000448009")
    )
    texts.append(
        ("99012", date, 0, module, PNEUMONIA, "en", "900000000000013009", "Withdrawn name", "900000000000448009")
    )
    header = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId"
    _table(terminology / f"sct2_Description_Snapshot-en_INT_{date}.txt", header, texts)
    definition = (
        "98011",
        date,
        1,
        module,
        PNEUMONIA,
        "en",
        "900000000000550004",
        "Inflammation of lung tissue.",
        "900000000000448009",
    )
    _table(terminology / f"sct2_TextDefinition_Snapshot-en_INT_{date}.txt", header, [definition])
    edges = [
        (source, target, group, type)
        for source, (_, _, parents, attributes) in CONCEPTS.items()
        for target, group, type in [*((p, 0, "116680003") for p in parents), *((v, g, t) for g, t, v in attributes)]
    ]
    rows = [
        (f"{i}020", date, 1, module, s, d, g, t, "900000000000011006", "900000000000451002")
        for i, (s, d, g, t) in enumerate(edges)
    ]
    rows.append(("9920", date, 0, module, VIRAL, BACTERIA, 2, AGENT, "900000000000011006", "900000000000451002"))
    header = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId"
    _table(terminology / f"sct2_Relationship_Snapshot_INT_{date}.txt", header, rows)
    concrete = ("9921", date, 1, module, BACTERIAL, "#250.5", 0, STRENGTH, "900000000000011006", "900000000000451002")
    _table(
        terminology / f"sct2_RelationshipConcreteValues_Snapshot_INT_{date}.txt",
        header.replace("destinationId", "value"),
        [concrete],
    )
    header = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId"
    _table(
        refset / "Language" / f"der2_cRefset_LanguageSnapshot-en_INT_{date}.txt", header + "\tacceptabilityId", language
    )
    member = ("a", date, 1, module, REFSET, PNEUMONIA)
    _table(refset / "Content" / f"der2_Refset_SimpleSnapshot_INT_{date}.txt", header, [member])
    return folder


def _csv(archive: zipfile.ZipFile, name: str, rows: list[dict[str, str]]) -> None:

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    archive.writestr(name, text.getvalue())


def loinc(folder: Path) -> Path:
    """A release of LOINC as its zip."""
    terms = [
        ("2093-3", "Cholesterol", "MCnc", "Pt", "Ser/Plas", "Qn", "", "CHEM", "ACTIVE", "Cholesterol [Mass/volume] in Serum or Plasma"),
        ("2085-9", "Cholesterol.in HDL", "MCnc", "Pt", "Ser/Plas", "Qn", "", "CHEM", "ACTIVE", "Cholesterol in HDL [Mass/volume]"),
        ("24331-1", "Lipid 1996 panel", "-", "Pt", "Ser/Plas", "-", "", "PANEL.CHEM", "ACTIVE", "Lipid 1996 panel - Serum or Plasma"),
        ("72166-2", "Tobacco smoking status", "Find", "Pt", "^Patient", "Nom", "", "H&P", "ACTIVE", "Tobacco smoking status"),
        ("11111-1", "Old thing", "MCnc", "Pt", "Ser", "Qn", "", "CHEM", "DEPRECATED", "Old thing in Serum"),
    ]  # fmt: skip
    columns = (
        "LOINC_NUM",
        "COMPONENT",
        "PROPERTY",
        "TIME_ASPCT",
        "SYSTEM",
        "SCALE_TYP",
        "METHOD_TYP",
        "CLASS",
        "STATUS",
        "LONG_COMMON_NAME",
    )
    path = folder / "Loinc_2.80.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        rows = [
            dict(zip(columns, term, strict=True)) | {"SHORTNAME": f"short {term[0]}", "ORDER_OBS": "Both"}
            for term in terms
        ]
        _csv(archive, "LoincTable/Loinc.csv", rows)
        part = {
            "PartNumber": "LP15493-4",
            "PartTypeName": "COMPONENT",
            "PartName": "Cholesterol",
            "PartDisplayName": "Cholesterol",
            "Status": "ACTIVE",
        }
        _csv(archive, "AccessoryFiles/PartFile/Part.csv", [part])
        link = {
            "LoincNumber": "2093-3",
            "PartNumber": "LP15493-4",
            "PartName": "Cholesterol",
            "PartTypeName": "COMPONENT",
            "LinkTypeName": "Primary",
        }
        _csv(archive, "AccessoryFiles/PartFile/LoincPartLink_Primary.csv", [link])
        answers = [
            {"AnswerListId": "LL2201-3", "AnswerListName": "Smoking status", "AnswerStringId": f"LA{n}-1", "SequenceNumber": str(n), "DisplayText": text}
            for n, text in ((18976, "Current every day smoker"), (18978, "Former smoker"))
        ]  # fmt: skip
        _csv(archive, "AccessoryFiles/AnswerFile/AnswerList.csv", answers)
        _csv(
            archive,
            "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv",
            [{"LoincNumber": "72166-2", "AnswerListId": "LL2201-3"}],
        )
        hierarchy = [
            {"PATH_TO_ROOT": "", "SEQUENCE": "1", "IMMEDIATE_PARENT": "", "CODE": "LP29693-6", "CODE_TEXT": "Laboratory"},
            {"PATH_TO_ROOT": "LP29693-6", "SEQUENCE": "1", "IMMEDIATE_PARENT": "LP29693-6", "CODE": "LP15493-4", "CODE_TEXT": "Cholesterol"},
            {"PATH_TO_ROOT": "LP29693-6.LP15493-4", "SEQUENCE": "1", "IMMEDIATE_PARENT": "LP15493-4", "CODE": "2093-3", "CODE_TEXT": "Chol"},
        ]  # fmt: skip
        _csv(archive, "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv", hierarchy)
        panels = [{"ParentLoinc": "24331-1", "Loinc": member} for member in ("24331-1", "2093-3", "2085-9")]
        _csv(archive, "AccessoryFiles/PanelsAndForms/PanelsAndForms.csv", panels)
        german = [
            {"LOINC_NUM": "2093-3", "LONG_COMMON_NAME": "", "LinguisticVariantDisplayName": "Cholesterin im Serum"}
        ]
        _csv(archive, "AccessoryFiles/LinguisticVariants/deDE15LinguisticVariant.csv", german)
    return path


def rxnorm(folder: Path) -> Path:
    """A release of RxNorm, its folder rrf."""
    rrf = folder / "rrf"
    rrf.mkdir()

    def write(file: str, rows: Iterable[tuple[str, ...]]) -> None:
        (rrf / file).write_text("".join("|".join(row) + "|\n" for row in rows), encoding="utf-8")

    def name(code: str, source: str, type: str, text: str, suppress: str = "N") -> tuple[str, ...]:
        return (code, "ENG", "", "", "", "", "", "1", "", code, "", source, type, code, text, "", suppress, "4096")

    write(
        "RXNCONSO.RRF",
        [
            name("161", "RXNORM", "IN", "acetaminophen"), name("161", "RXNORM", "SY", "APAP"),
            name("161", "MTHSPL", "SU", "ACETAMINOPHEN"), name("313782", "RXNORM", "SCD", "acetaminophen 325 MG Oral Tablet"),
            name("1", "RXNORM", "SBD", "Withdrawn 5 MG", "O"), name("202433", "RXNORM", "BN", "Tylenol"),
        ],
    )  # fmt: skip
    write("RXNREL.RRF", [
        ("161", "", "CUI", "RO", "313782", "", "CUI", "has_ingredient", "", "", "RXNORM", "RXNORM", "", "", "N", ""),
        ("161", "", "CUI", "RN", "313782", "", "CUI", "isa", "", "", "RXNORM", "RXNORM", "", "", "N", ""),
    ])  # fmt: skip
    write("RXNSAT.RRF", [("313782", "", "", "1", "AUI", "313782", "", "", "NDC", "RXNORM", "00045049660", "N", "4096")])
    write("RXNSTY.RRF", [("161", "T109", "A1.4.1.2.1", "Organic Chemical", "AT1", "")])
    return folder
