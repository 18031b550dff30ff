"""Operations over HTTP."""

import sqlite3

import pytest

from tests.conftest import Fhir, issue_of

pytestmark = pytest.mark.anyio

LOINC = "http://loinc.org"


def observation(id: str, code: str, date: str, subject: str = "Patient/a", **more: object) -> dict:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": subject},
        "effectiveDateTime": date,
        **more,
    }


async def record(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Organization", "id": "o", "name": "Ward"})
    await fhir.create(
        {"resourceType": "Patient", "id": "a", "managingOrganization": {"reference": "Organization/o"},
         "identifier": [{"system": "http://hospital.test/mrn", "value": "SECRET-77"}], "name": [{"family": "Hidden"}]}
    )  # fmt: skip
    await fhir.create({"resourceType": "Patient", "id": "b"})
    await fhir.create(observation("1", "8867-4", "2020-01-01"))
    await fhir.create(observation("2", "8867-4", "2021-01-01"))
    await fhir.create(observation("3", "8310-5", "2019-01-01"))
    await fhir.create(observation("4", "8310-5", "2022-01-01", "Patient/b"))


def meta(**content: object) -> dict:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": content}]}


ODD_METAS = [
    meta(tags=[{"code": "x"}]),
    meta(tag={"code": "x"}),
    meta(profile=5),
    meta(security="x"),
    meta(extension=[]),
]


def keys(bundle: dict) -> list[str]:
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle.get("entry", ()))


async def test_everything_is_the_compartment_and_what_it_refers_to(fhir: Fhir) -> None:
    await record(fhir)
    answer = await fhir.get("Patient/a/$everything")
    assert keys(answer.json()) == ["Observation/1", "Observation/2", "Observation/3", "Organization/o", "Patient/a"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("_type=Observation", ["Observation/1", "Observation/2", "Observation/3"]),
        ("_type=Observation&start=2020-01-01", ["Observation/1", "Observation/2"]),
        ("_type=Observation&end=2019-12-31", ["Observation/3"]),
        ("_type=Observation&start=2020-06-01&end=2021-06-01", ["Observation/2"]),
        ("_type=Observation&_since=2999-01-01", []),
        ("_type=Patient,Organization", ["Organization/o", "Patient/a"]),
    ],
)
async def test_everything_within_limits(fhir: Fhir, parameters: str, expected: list[str]) -> None:
    await record(fhir)
    found = (await fhir.get(f"Patient/a/$everything?{parameters}")).json()
    assert keys(found) == expected


async def test_everything_in_summary_or_counted(fhir: Fhir) -> None:
    await record(fhir)
    counted = (await fhir.get("Patient/a/$everything?_summary=count")).json()
    assert "entry" not in counted and counted["total"] > 0
    shown = (await fhir.get("Patient/a/$everything?_elements=id&_type=Patient")).json()["entry"][0]["resource"]
    assert shown["meta"]["tag"][0]["code"] == "SUBSETTED"


async def test_everything_is_paged_without_repeats(fhir: Fhir) -> None:
    await record(fhir)
    ids = await fhir.ids("Patient/a/$everything?_count=2")
    assert sorted(ids) == ["1", "2", "3", "a"]


async def test_what_is_on_one_page_of_everything_is_not_included_with_another(fhir: Fhir) -> None:
    await record(fhir)
    panel = {
        **observation("panel", "85354-9", "2022-01-01", "Patient/a"),
        "hasMember": [{"reference": "Observation/1"}],
    }
    await fhir.create(panel)
    seen: list[str] = []
    page = (await fhir.get("Patient/a/$everything?_count=1")).json()
    while page is not None:
        seen += [key for key in keys(page) if key != "Organization/o"]
        following = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
        page = (await fhir.http.get(following)).json() if following else None
    assert sorted(seen) == ["Observation/1", "Observation/2", "Observation/3", "Observation/panel", "Patient/a"]


async def test_everything_of_all_patients_leaves_out_what_is_of_none(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create(observation("of-a-group", "8867-4", "2020-01-01", "Group/g"))
    await fhir.create({"resourceType": "Organization", "id": "apart", "name": "Apart"})
    found = (await fhir.get("Patient/$everything")).json()
    assert keys(found) == [*(f"Observation/{n}" for n in "1234"), "Organization/o", "Patient/a", "Patient/b"]
    assert sorted(await fhir.ids("Patient/$everything?_type=Observation&_count=1")) == ["1", "2", "3", "4"]
    assert (await fhir.get("Encounter/$everything")).status_code == 404


@pytest.mark.parametrize("count", [1, 100])
async def test_everything_of_types_has_what_members_of_other_types_refer_to(fhir: Fhir, count: int) -> None:
    await record(fhir)
    await fhir.create({"resourceType": "Practitioner", "id": "p"})
    await fhir.create({**observation("seen", "8867-4", "2020-01-01"), "performer": [{"reference": "Practitioner/p"}]})
    whole = keys((await fhir.get("Patient/a/$everything")).json())
    for types in ("Practitioner", "Patient,Practitioner", "Organization,Observation", "Observation,Patient"):
        page = (await fhir.get(f"Patient/a/$everything?_type={types}&_count={count}")).json()
        found = set(keys(page))
        while following := next((link["url"] for link in page["link"] if link["relation"] == "next"), None):
            page = (await fhir.http.get(following)).json()
            found |= set(keys(page))
        assert found == {key for key in whole if key.partition("/")[0] in types.split(",")}, types


async def test_everything_of_nobody_is_404(fhir: Fhir) -> None:
    assert (await fhir.get("Patient/none/$everything")).status_code == 404


async def test_lastn_keeps_the_newest_of_each_code(fhir: Fhir) -> None:
    await record(fhir)
    assert keys((await fhir.get("Observation/$lastn?patient=a")).json()) == ["Observation/2", "Observation/3"]
    both = await fhir.get(f"Observation/$lastn?patient=a&max=2&code={LOINC}|8867-4")
    assert keys(both.json()) == ["Observation/1", "Observation/2"]
    assert both.json()["link"][0]["url"].endswith(f"Observation/$lastn?patient=a&code={LOINC}|8867-4&max=2")
    assert (await fhir.get("Observation/$lastn?code=8867-4")).status_code == 400
    limited = await fhir.get("Observation/$lastn?patient=a&_count=1")
    assert (limited.status_code, "limit it by max" in issue_of(limited)["diagnostics"]) == (400, True)


@pytest.mark.parametrize(
    ("codes", "newest"),
    [
        (["a", "b", "c"], "2 1 0"),
        (["a", "b", "a c"], "2 1"),
        (["a", "b", "a b"], "2"),
        (["a b", "b c", "c d", "e"], "3 2"),
        (["a b", "c d", "b c"], "2"),
        (["=textM", "=Text", "=t e x t", "=Text"], "3 2 0"),
    ],
)
async def test_lastn_groups_codes_and_their_translations(fhir: Fhir, codes: list[str], newest: str) -> None:
    for number, several in enumerate(codes):
        code = {"coding": [{"system": LOINC, "code": code} for code in several.split()]}
        code = {"text": several[1:]} if several.startswith("=") else code
        await fhir.create({**observation(str(number), "", f"2020-01-0{number + 1}"), "code": code})
    found = (await fhir.get("Observation/$lastn?patient=a")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == newest.split()


async def test_lastn_has_all_of_the_time_of_the_last(fhir: Fhir) -> None:
    times = ["2020-01-03T10:00:00Z", "2020-01-02T10:00:00Z", "2020-01-02T12:00:00+02:00", "2020-01-01T10:00:00Z"]
    for number, time in enumerate(times):
        await fhir.create(observation(str(number), "8867-4", time))
    await fhir.create({"resourceType": "Observation", "id": "undated", "status": "final", "code": {"text": "x"},
                       "subject": {"reference": "Patient/a"}})  # fmt: skip
    assert keys((await fhir.get("Observation/$lastn?patient=a&max=2&code=8867-4")).json()) == [
        "Observation/0", "Observation/1", "Observation/2"
    ]  # fmt: skip
    assert len(keys((await fhir.get("Observation/$lastn?patient=a")).json())) == 2


async def test_lastn_is_counted_cut_and_has_includes_as_searches(fhir: Fhir) -> None:
    await record(fhir)
    counted = (await fhir.get("Observation/$lastn?patient=a&_summary=count")).json()
    assert (counted["total"], keys(counted)) == (2, [])
    cut = (await fhir.get("Observation/$lastn?patient=a&_elements=status")).json()
    assert all("subject" not in entry["resource"] for entry in cut["entry"])
    included = (await fhir.get("Observation/$lastn?patient=a&_include=Observation:subject")).json()
    assert keys(included) == ["Observation/2", "Observation/3", "Patient/a"]
    nothing = (await fhir.get("Observation/$lastn?patient=b&code=8867-4")).json()
    assert (nothing["total"], keys(nothing)) == (0, [])


async def test_validate_says_what_is_wrong_and_stores_nothing(fhir: Fhir) -> None:
    good = await fhir.post("Patient/$validate", {"resourceType": "Patient"})
    assert good.json()["issue"][0]["severity"] == "information"
    bad = await fhir.post("Patient/$validate", {"resourceType": "Patient", "gender": "m"})
    assert (bad.status_code, issue_of(bad)["expression"]) == (200, ["Patient.gender"])
    create = {"name": "mode", "valueCode": "create"}
    good_one = {"name": "resource", "resource": {"resourceType": "Patient"}}
    inside = {"resourceType": "Parameters", "parameter": [create, good_one]}
    assert (await fhir.post("Patient/$validate", inside)).json()["issue"][0]["severity"] == "information"
    assert await fhir.ids("Patient") == []


async def test_validate_tells_what_keeps_xml_from_being_a_resource(fhir: Fhir) -> None:
    unknown = b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/><nickname value="x"/></Patient>'
    for path in ("$validate", "Patient/$validate"):
        answer = await fhir("POST", path, unknown, content_type="application/fhir+xml")
        issue = issue_of(answer)
        assert (answer.status_code, issue["severity"], issue["expression"]) == (200, "error", ["Patient.nickname"])
    assert (await fhir("POST", "Patient", unknown, content_type="application/fhir+xml")).status_code == 400
    assert (await fhir("POST", "$validate", b"<Patient", content_type="application/fhir+xml")).status_code == 400


async def test_validate_tells_all_that_is_wrong_with_a_resource_in_xml(fhir: Fhir) -> None:
    wrong = (
        '<Patient xmlns="http://hl7.org/fhir">\n<nickname value="x"><x/></nickname>\n<active value="yes"/>\n'
        '<name/><name>t<given value="A"/></name>\n<gender value="m"/><birthDate value="2000-13"/>'
        "<name><nick/></name></Patient>"
    )
    parameters = '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="resource"/><resource>{}</resource>'
    for text in (wrong, parameters.format(wrong) + "</parameter></Parameters>"):
        answer = await fhir("POST", "Patient/$validate", text.encode(), content_type="application/fhir+xml")
        issues = answer.json()["issue"]
        assert [(i["expression"][0], i.get("location", [""])[0].partition(",")[0]) for i in issues] == [
            ("Patient.nickname", "line 2"),
            ("Patient.active", "line 3"),
            ("Patient.name[0]", "line 4"),
            ("Patient.name[1]", "line 4"),
            ("Patient.name[2]", "line 5"),
            ("Patient.name[2].nick", "line 5"),
            ("Patient.gender", ""),
            ("Patient.birthDate", ""),
        ]


async def test_an_operation_is_not_where_it_is_not_defined(fhir: Fhir) -> None:
    answer = await fhir.get("CodeSystem/a/$lookup?code=a")
    assert (answer.status_code, "/CodeSystem/$lookup" in issue_of(answer)["diagnostics"]) == (404, True)


@pytest.mark.parametrize("profile", [5, ["x"], {}, ""])
async def test_validate_wants_a_profile_by_its_url(fhir: Fhir, profile: object) -> None:
    given = [{"name": "profile", "valueUri": profile}, {"name": "resource", "resource": {"resourceType": "Patient"}}]
    answer = await fhir.post("$validate", {"resourceType": "Parameters", "parameter": given})
    assert (answer.status_code, issue_of(answer)["location"]) == (400, ["http.profile"])


async def test_validate_of_a_stored_resource_and_of_its_deletion(fhir: Fhir) -> None:
    await record(fhir)
    assert (await fhir.get("Patient/a/$validate")).json()["issue"][0]["severity"] == "information"
    deletion = await fhir.get("Patient/a/$validate?mode=delete")
    assert issue_of(deletion)["severity"] == "warning"
    assert (await fhir.get("Patient/a")).status_code == 200


async def test_meta_is_added_and_taken_away(fhir: Fhir) -> None:
    await record(fhir)
    tag = {"system": "http://hospital.test/tags", "code": "vip"}
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [tag]}}]}
    added = await fhir.post("Patient/a/$meta-add", body)
    assert added.json()["parameter"][0]["valueMeta"]["tag"] == [tag]
    assert await fhir.ids("Patient?_tag=http://hospital.test/tags|vip") == ["a"]
    assert (await fhir.get("Patient/$meta")).json()["parameter"][0]["valueMeta"] == {"tag": [tag]}
    await fhir.post("Patient/a/$meta-delete", body)
    assert await fhir.ids("Patient?_tag=vip") == []
    assert (await fhir.get("Patient/a")).json()["meta"]["versionId"] == "3"


async def test_meta_is_changed_only_of_the_version_that_if_match_names(fhir: Fhir) -> None:
    await record(fhir)
    body = meta(tag=[{"code": "vip"}])
    assert (await fhir.post("Patient/a/$meta-add", body, if_match='W/"7"')).status_code == 412
    assert (await fhir.get("Patient/a")).json()["meta"]["versionId"] == "1"
    assert (await fhir.post("Patient/a/$meta-add", body, if_match='W/"1"')).status_code == 200
    assert (await fhir.post("Patient/a/$meta-delete", body, if_match='W/"1"')).status_code == 412


async def test_purge_leaves_nothing_of_the_patient_but_a_receipt(fhir: Fhir) -> None:
    await record(fhir)
    await fhir("DELETE", "Observation/2")
    answer = await fhir.post("Patient/a/$purge", None)
    assert answer.status_code == 200, answer.text
    receipt = {p["name"]: p for p in answer.json()["parameter"]}
    assert receipt["erased"]["valueInteger"] == 4
    for gone in ("Patient/a", "Observation/1", "Observation/2", "Patient/a/_history", "Observation/2/_history"):
        assert (await fhir.get(gone)).status_code == 404
    assert await fhir.ids("Patient") == ["b"]
    assert await fhir.ids("Patient?identifier=SECRET-77") == []
    audit = await fhir.get(receipt["receipt"]["valueReference"]["reference"])
    assert "Hidden" not in audit.text and audit.json()["action"] == "D"
    assert [c.method for c in await fhir.server.changes(0) if c.id in ("a", "1", "2", "3")] == ["ERASE"] * 4
    assert await fhir.server.check() == []
    if fhir.server.settings.mongodb_url:
        return
    data = fhir.server.settings.data / "fhir.sqlite"
    file = sqlite3.connect(data)
    assert file.execute("SELECT count(*) FROM term WHERE code = 'SECRET-77'").fetchone() == (0,)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    assert b"SECRET-77" not in data.read_bytes()


async def test_what_is_of_other_patients_too_is_named_and_not_purged(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create({"resourceType": "Patient", "id": "twin",
                       "link": [{"other": {"reference": "Patient/a"}, "type": "seealso"}]})  # fmt: skip
    members = [{"entity": {"reference": f"Patient/{id}"}} for id in ("a", "b")]
    group = {"resourceType": "Group", "type": "person", "actual": True}
    await fhir.create({**group, "id": "both", "member": members})
    await fhir.create({**group, "id": "alone", "member": members[:1]})
    answer = (await fhir.post("Patient/a/$purge", None)).json()["parameter"]
    left = {each["valueReference"]["reference"] for each in answer if each["name"] == "stillMentionedBy"}
    assert left == {"Patient/twin", "Group/both"}
    assert await fhir.ids("Group") == ["both"] and sorted(await fhir.ids("Patient")) == ["b", "twin"]


async def test_document_starts_with_the_composition(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create(
        {"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "Letter"}, "date": "2026-01-01",
         "title": "Letter", "subject": {"reference": "Patient/a"}, "author": [{"reference": "Organization/o"}],
         "section": [{"title": "x", "entry": [{"reference": "Observation/1"}]}]}
    )  # fmt: skip
    document = (await fhir.get("Composition/c/$document")).json()
    assert document["type"] == "document"
    assert document["entry"][0]["resource"]["resourceType"] == "Composition"
    assert keys(document) == ["Composition/c", "Observation/1", "Organization/o", "Patient/a"]
    await fhir.get("Composition/c/$document?persist=true")
    assert len(await fhir.ids("Bundle")) == 1
    for id in ("c", "Composition/c", "http://fhir.test/fhir/Composition/c"):
        assert keys((await fhir.get(f"Composition/$document?id={id}")).json()) == keys(document)
    await fhir.create(
        {"resourceType": "GraphDefinition", "id": "g", "url": "http://hospital.test/graph", "name": "G",
         "status": "active", "start": "Composition",
         "link": [{"path": "Composition.author", "target": [{"type": "Organization"}]}]}
    )  # fmt: skip
    graphed = (await fhir.get("Composition/c/$document?graph=http://hospital.test/graph")).json()
    assert (graphed["type"], keys(graphed)) == ("document", ["Composition/c", "Organization/o"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "Composition/$document", None, 400),
        ("GET", "Composition/$document?id=Patient/a", None, 400),
        ("GET", "Composition/$document?id=none", None, 404),
        ("GET", "Composition/a/$document?id=b", None, 400),
        ("POST", "Patient/$validate?mode=profile", {"resourceType": "Patient"}, 400),
        *(("POST", f"Patient/a/$meta-{way}", parameters, 400) for way in ("add", "delete") for parameters in ODD_METAS),
    ],
)
async def test_odd_calls_are_told_what_is_wrong(fhir: Fhir, method: str, path: str, body, status: int) -> None:
    await record(fhir)
    await fhir.post("Patient/a/$meta-add", meta(tag=[{"code": "x"}]))
    answer = await fhir(method, path, body)
    assert answer.status_code == status, answer.text
    assert issue_of(answer)["diagnostics"]


async def test_graph_follows_paths_and_searches(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create(
        {"resourceType": "GraphDefinition", "id": "g", "url": "http://hospital.test/graph", "name": "G",
         "status": "active",
         "start": "Patient",
         "link": [{"path": "Patient.managingOrganization", "target": [{"type": "Organization"}]},
                  {"target": [{"type": "Observation", "params": "patient={ref}"}]}]}
    )  # fmt: skip
    found = (await fhir.get("Patient/a/$graph?graph=http://hospital.test/graph")).json()
    assert keys(found) == ["Observation/1", "Observation/2", "Observation/3", "Organization/o", "Patient/a"]


def graph_of_patient(version: str, *links: dict) -> dict:
    return {"resourceType": "GraphDefinition", "id": f"g{version}", "url": "http://hospital.test/graph", "name": "G",
            "version": version, "status": "active", "start": "Patient", "link": [*links]}  # fmt: skip


async def test_graph_follows_what_it_reaches_twice_by_the_links_of_both_places(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create({"resourceType": "Patient", "id": "b", "link": [
        {"type": "seealso", "other": {"reference": "Patient/a"}}]})  # fmt: skip
    other = {"path": "Patient.link.other", "target": [{"type": "Patient"}]}
    ward = {"path": "Patient.managingOrganization", "target": [{"type": "Organization"}]}
    deeper = {"path": "Patient.link.other", "target": [{"type": "Patient", "link": [ward]}]}
    await fhir.create(graph_of_patient("1", other, deeper))
    found = (await fhir.get("Patient/b/$graph?graph=http://hospital.test/graph")).json()
    assert keys(found) == ["Organization/o", "Patient/a", "Patient/b"]


async def test_graph_takes_the_version_of_the_definition_that_is_asked_for(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create(graph_of_patient("1", {"path": "Patient.managingOrganization",
                                             "target": [{"type": "Organization"}]}))  # fmt: skip
    await fhir.create(graph_of_patient("2", {"path": "Patient.link.other", "target": [{"type": "Patient"}]}))
    for asked, expected in (("|1", ["Organization/o", "Patient/a"]), ("|2", ["Patient/a"]), ("", ["Patient/a"])):
        assert keys((await fhir.get(f"Patient/a/$graph?graph=http://hospital.test/graph{asked}")).json()) == expected
    assert (await fhir.get("Patient/a/$graph?graph=http://hospital.test/graph|3")).status_code == 404


async def test_graphs_and_documents_have_the_versions_that_references_name(fhir: Fhir) -> None:
    await record(fhir)
    await fhir.create({"resourceType": "Patient", "id": "a", "name": [{"family": "Later"}]})
    await fhir.create(
        {"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "Letter"}, "date": "2026-01-01",
         "title": "Letter", "subject": {"reference": "Patient/a/_history/1"},
         "author": [{"reference": "Organization/o"}]}
    )  # fmt: skip
    graph = graph_of_patient("1", {"path": "Composition.subject", "target": [{"type": "Patient"}]})
    await fhir.create({**graph, "start": "Composition"})
    for asked in ("$document", "$graph?graph=http://hospital.test/graph"):
        found = (await fhir.get(f"Composition/c/{asked}")).json()
        names = [entry["resource"]["name"] for entry in found["entry"] if entry["fullUrl"].endswith("Patient/a")]
        assert names == [[{"family": "Hidden"}]], asked
    assert (await fhir.get("Composition/c/$document?persist=true")).status_code == 200


async def test_convert_gives_the_other_format(fhir: Fhir) -> None:
    answer = await fhir.post("$convert", {"resourceType": "Patient", "active": True}, accept="application/fhir+xml")
    assert answer.text.endswith('<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>')
    refused = await fhir.post("$convert", {"resourceType": "Patient"}, accept="text/turtle")
    assert refused.status_code == 406 and "text/turtle" in issue_of(refused)["diagnostics"]
    for asked in ("xml", "application/fhir%2Bxml"):
        assert (await fhir.post(f"$convert?_format={asked}", {"resourceType": "Patient"})).text.startswith("<?xml")


async def test_an_unknown_operation_or_parameter_names_the_nearest(fhir: Fhir) -> None:
    assert "$everything" in issue_of(await fhir.get("Patient/a/$everythin"))["diagnostics"]
    await record(fhir)
    assert "'start'" in issue_of(await fhir.get("Patient/a/$everything?strt=2020"))["diagnostics"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1L + 1", "2"),
        ("managingOrganization.resolve().name", "Org"),
        ("managingOrganization.resolve() is Organization", True),
        ("'red'.memberOf('http://hospital.test/colours')", True),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Organization')", False),
    ],
)
async def test_fhirpath_knows_what_the_server_knows(fhir: Fhir, expression: str, expected: object) -> None:
    await fhir.create({"resourceType": "Organization", "id": "o", "name": "Org"})
    await fhir.create({"resourceType": "Patient", "id": "a", "managingOrganization": {"reference": "Organization/o"}})
    system, url = "http://hospital.test/all", "http://hospital.test/colours"
    codes = {"url": system, "status": "active", "content": "complete", "concept": [{"code": "red"}]}
    await fhir.create({"resourceType": "CodeSystem", **codes})
    await fhir.create(
        {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [{"system": system}]}}
    )
    answer = await fhir.http.get("http://fhir.test/fhir/Patient/a/$fhirpath", params={"expression": expression})
    part = answer.json()["parameter"][0]["part"][0]
    assert next(value for name, value in part.items() if name != "name") == expected


async def test_fhirpath_gives_types_and_places(fhir: Fhir) -> None:
    await record(fhir)
    found = (await fhir.get("Patient/a/$fhirpath?expression=name.family | identifier.value.length()")).json()
    assert [p["part"] for p in found["parameter"]] == [
        [{"name": "string", "valueString": "Hidden"}, {"name": "path", "valueString": "Patient.name[0].family"}],
        [{"name": "integer", "valueInteger": 9}],
    ]


@pytest.mark.parametrize(
    ("expression", "status"),
    [("name.where(", 400), ("nonsense", 400), ("''", 200), ("1/0", 200), ("(1 | 2).repeat($this + 1)", 403)],
)
async def test_fhirpath_that_is_wrong_or_never_ends_is_an_error(fhir: Fhir, expression: str, status: int) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "expression", "valueString": expression},
            {"name": "resource", "resource": {"resourceType": "Patient"}},
        ],
    }
    assert (await fhir.post("$fhirpath", body)).status_code == status


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Hidden"}, {"name": [{"family": 7}]}, {"name": [{"family": "Hidden"}], "birthDate": 1980},
        {"identifier": [{"system": "http://hospital.test/mrn", "value": 7}]}, {"name": ["Hidden"]},
        {"name": [{"family": "Hidden"}], "address": [{"postalCode": 1}]}, {"name": [{"family": "X"}], "gender": []},
    ],
)  # fmt: skip
async def test_who_is_matched_with_a_patient_that_breaks_r4_is_told_where(fhir: Fhir, wrong: dict) -> None:
    await record(fhir)
    asked = {"name": "resource", "resource": {"resourceType": "Patient", **wrong}}
    answer = await fhir.post("Patient/$match", {"resourceType": "Parameters", "parameter": [asked]})
    assert answer.status_code == 422 and issue_of(answer)["expression"][0].startswith("Patient."), answer.text


async def test_a_described_patient_is_matched_whatever_its_profiles_ask_for(fhir: Fhir) -> None:
    await record(fhir)
    patient = {"resourceType": "Patient", "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/nothing"]},
               "identifier": [{"system": "http://hospital.test/mrn", "value": "SECRET-77"}]}  # fmt: skip
    asked = {"name": "resource", "resource": patient}
    answer = await fhir.post("Patient/$match", {"resourceType": "Parameters", "parameter": [asked]})
    assert answer.json()["total"] == 1


ADA = {"name": [{"family": "Merge,son", "given": ["Ada"]}], "birthDate": "1980-02-03", "gender": "female"}


async def matched(fhir: Fhir, **more: object) -> list[tuple[str, str]]:
    """Ids and grades of those who may be Ada."""
    asked = {"name": "resource", "resource": {"resourceType": "Patient", **ADA, **more}}
    answer = await fhir.post("Patient/$match", {"resourceType": "Parameters", "parameter": [asked]})
    assert answer.status_code == 200, answer.text
    found = answer.json().get("entry", ())
    return [(one["resource"]["id"], one["search"]["extension"][0]["valueCode"]) for one in found]


async def test_who_was_merged_is_matched_as_who_replaced_it(fhir: Fhir) -> None:
    link = {"type": "replaced-by", "other": {"reference": "Patient/2"}}
    await fhir.create({"resourceType": "Patient", "id": "1", **ADA, "link": [link]})
    await fhir.create({"resourceType": "Patient", "id": "2", "name": [{"family": "Married"}]})
    assert await matched(fhir) == [("2", "certain")]
    await fhir.create({"resourceType": "Patient", "id": "2", **ADA, "link": [
        {"type": "replaces", "other": {"reference": "Patient/1"}}]})  # fmt: skip
    assert await matched(fhir) == [("2", "certain")]
    assert (await fhir("DELETE", "Patient/2")).status_code == 204
    assert await matched(fhir) == [("1", "certain")]


async def test_parts_of_names_that_are_not_told_keep_nobody_from_being_matched(fhir: Fhir) -> None:
    unknown = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                              "valueCode": "masked"}]}  # fmt: skip
    names = [{"family": "Merge,son", "given": [None, "Ada"], "_given": [unknown, None]}]
    await fhir.create({"resourceType": "Patient", "id": "1", **ADA, "name": names})
    assert await matched(fhir) == await matched(fhir, name=names) == [("1", "certain")]


async def test_another_number_of_the_same_system_is_no_certainty(fhir: Fhir) -> None:
    number = lambda value: [{"system": "http://hospital.test/mrn", "value": value}]  # noqa: E731
    await fhir.create({"resourceType": "Patient", "id": "1", **ADA, "identifier": number("1")})
    assert await matched(fhir, identifier=number("1")) == [("1", "certain")]
    assert await matched(fhir, identifier=number("2")) == [("1", "probable")]


async def test_identifiers_are_those_of_patients_linked_here_and_of_nobody_with_the_same_id(fhir: Fhir) -> None:
    number = lambda value: [{"system": f"urn:{value}", "value": value}]  # noqa: E731
    for id in ("linked", "stranger", "elsewhere"):
        await fhir.put(f"Patient/{id}", {"resourceType": "Patient", "id": id, "identifier": number(id)})
    others = [{"reference": "Patient/linked"}, {"reference": "RelatedPerson/stranger"}, {"display": "Unknown"},
              {"reference": "https://other.test/fhir/Patient/elsewhere"}]  # fmt: skip
    linking = {"resourceType": "Patient", "id": "me", "identifier": number("mine"),
               "link": [{"other": other, "type": "seealso"} for other in others]}  # fmt: skip
    assert (await fhir.put("Patient/me", linking)).status_code == 201
    answer = await fhir.get("Patient/$ihe-pix?sourceIdentifier=urn:mine|mine")
    assert answer.json()["parameter"] == [
        {"name": "targetIdentifier", "valueIdentifier": number("linked")[0]},
        {"name": "targetId", "valueReference": {"reference": "Patient/me"}},
        {"name": "targetId", "valueReference": {"reference": "Patient/linked"}},
    ]
