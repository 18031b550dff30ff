"""Scheduled reports: written once a period from a lake, as CSV and PDF, and sent to a mail server that listens."""

import csv
import datetime
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.subsystems.analytics.mounted import desk, make
from fhir_server.subsystems.analytics.reports.definition import reports
from fhir_server.subsystems.analytics.reports.desk import HELD, MINUTE, Desk
from fhir_server.subsystems.subsystem import Portion, catch_up, read, settle
from tests.conftest import Fhir
from tests.unit.subsystems.analytics.mail_server import PASSWORD, USER, Mailbox, mail_server
from tests.unit.subsystems.analytics.test_indicators import lake_of

DAY = 86_400_000_000
NOW = int(datetime.datetime(2026, 4, 1, 8, tzinfo=datetime.UTC).timestamp() * 1_000_000)
STAYS = [
    {"resourceType": "Encounter", "id": f"stay-{n}", "status": "finished", "class": {"code": "IMP"},
     "subject": {"reference": "Patient/zebrafish"}, "period": {"start": f"2026-{month}-05T10:00:00Z",
                                                               "end": f"2026-{month}-08T10:00:00Z"}}
    for n, month in enumerate(("02", "03", "03", "04"))
]  # fmt: skip
WARD = {
    "name": "ward", "title": "Stays of the ward", "every": "month", "indicators": ["admissions", "length_of_stay"],
    "recipients": ["head@example.org", "matron@example.org"],
    "questions": [{"title": "Who came", "sql": [
        "SELECT encounter, patient, '=1+1' AS note FROM encounters",
        "WHERE moment(period_start) >= $start AND moment(period_start) < $end ORDER BY encounter"]}],
}  # fmt: skip


def settings(folder: Path, **others: Any) -> Settings:
    (folder / "reports").mkdir(exist_ok=True)
    return Settings(data=folder, reports=str(folder / "reports"), **others)


def define(folder: Path, report: dict[str, Any]) -> None:
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / f"{report['name']}.json").write_text(json.dumps(report))


def desk_on(folder: Path, box: Mailbox | None = None, report: dict[str, Any] = WARD, **others: Any) -> Desk:
    asked = lake_of(folder / "lake", STAYS) if not (folder / "lake").exists() else None
    define(folder, report)
    if box is not None:
        others = {"smtp_url": f"smtp://{USER}:{quote(PASSWORD, '')}@127.0.0.1:{box.port}",
                  "smtp_sender": "lake@hospital.example", "smtp_authorities": box.authorities, **others}  # fmt: skip
    made = make(settings(folder, **others))
    return desk(settings(folder, **others), made._lake, asked or made._query)


def test_a_report_of_a_month_as_csv_and_pdf(tmp_path: Path):
    made = desk_on(tmp_path)
    assert [each.report.name for each in made.write_due(NOW)] == ["monthly", "ward"]
    written = made.archive.written("ward", "2026-03")
    assert made.files(written) == ["ward-2026-03.pdf", "ward-2026-03-indicators.csv", "ward-2026-03-1.csv"]
    measured = made.file("ward", "2026-03", "ward-2026-03-indicators.csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(measured)))
    assert [(row["indicator"], row["month"], row["value"]) for row in rows] == [
        ("admissions", "2026-02", "1.0"), ("admissions", "2026-03", "2.0"),
        ("length_of_stay", "2026-02", "3.0"), ("length_of_stay", "2026-03", "3.0"),
    ]  # fmt: skip
    assert rows[2]["met"] == "true"
    answered = made.file("ward", "2026-03", "ward-2026-03-1.csv").content.decode()
    assert answered.splitlines() == [
        "encounter,patient,note", "Encounter/stay-1,Patient/zebrafish,'=1+1", "Encounter/stay-2,Patient/zebrafish,'=1+1"
    ]  # fmt: skip
    pdf = made.file("ward", "2026-03", "ward-2026-03.pdf").content
    assert pdf.startswith(b"%PDF-") and pdf == made.file("ward", "2026-03", "ward-2026-03.pdf").content
    with pytest.raises(FhirError, match="no file"):
        made.file("ward", "2026-03", "../lake")


def test_a_period_has_one_report_however_many_write_it(tmp_path: Path):
    first = desk_on(tmp_path)
    desks = [first, *(desk_on(tmp_path) for _ in range(3))]
    found: list[int] = []
    gate = threading.Barrier(len(desks))

    def work(one: Desk) -> None:
        gate.wait()
        found.append(len(one.write_due(NOW)))

    threads = [threading.Thread(target=work, args=(one,)) for one in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 2
    assert first.write_due(NOW + 10 * DAY) == []
    assert [each.period.name for each in first.write_due(NOW + 30 * DAY)] == ["2026-04", "2026-04"]


def test_a_period_exists_once_and_whole_wherever_its_writing_was_killed(tmp_path: Path):
    desk_on(tmp_path, report={**WARD, "indicators": ["admissions"], "questions": [], "formats": ["csv"]})
    command = [sys.executable, "-m", "tests.unit.subsystems.analytics.killed_report", tmp_path]
    subprocess.run(command, capture_output=True, timeout=300, check=True)
    *killed, (_, whole) = json.loads((tmp_path / "found.json").read_text())
    months = [["2026-02", 1.0, 1, None], ["2026-03", 2.0, 2, None]]
    assert whole == [["2026-03", [months], ["head@example.org", "matron@example.org"]]]
    assert len(killed) > 5
    assert all(found in ([], whole) and after == whole for found, after in killed)


def test_each_recipient_gets_it_once_by_starttls_and_a_login(tmp_path: Path):
    with mail_server(tmp_path) as box, capture_logs() as logs:
        made = desk_on(tmp_path, box)
        made.write_due(NOW)
        others = [desk_on(tmp_path, box) for _ in range(2)]
        threads = [threading.Thread(target=one.send, args=(NOW,)) for one in (made, *others)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(to for [to], _ in box.taken) == ["head@example.org", "matron@example.org"]
        message = box.taken[0][1]
        assert (message["Subject"], message["From"]) == ("Stays of the ward, 2026-03", "lake@hospital.example")
        attached = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
        assert attached["ward-2026-03.pdf"].startswith(b"%PDF-")
        assert "stay-1" in attached["ward-2026-03-1.csv"]
        assert made.send(NOW + DAY) == (0, 0)
    assert "zebrafish" not in str(logs) and "@" not in str(logs)
    assert {log["event"] for log in logs} >= {"report written", "report sent"}


def test_by_tls_from_the_first_byte(tmp_path: Path):
    with mail_server(tmp_path, implicit=True) as box:
        made = desk_on(tmp_path, box, smtp_url=f"smtps://{USER}:{quote(PASSWORD, '')}@127.0.0.1:{box.port}")
        made.write_due(NOW)
        assert made.send(NOW) == (2, 0)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"smtp_url": f"smtp://{USER}:wrong@127.0.0.1:PORT"}, "refuses user and password"),
        ({"smtp_authorities": ""}, "No TLS"),
        ({"smtp_url": "smtp://127.0.0.1:1"}, "can't be reached"),
    ],
)
def test_what_can_not_be_sent_waits_and_says_why(tmp_path: Path, others: dict[str, str], said: str):
    with mail_server(tmp_path) as box:
        others = {name: value.replace("PORT", str(box.port)) for name, value in others.items()}
        failing = desk_on(tmp_path, box, **others)
        failing.write_due(NOW)
        assert failing.send(NOW) == (0, 2)
        delivery = failing.archive.deliveries("ward", "2026-03")[0]
        assert delivery.state == "waiting" and said in delivery.problem
        assert failing.send(NOW) == (0, 0)
        assert desk_on(tmp_path, box).send(NOW + 2 * MINUTE) == (2, 0)
        assert len(box.taken) == 2


def test_nothing_goes_out_without_tls(tmp_path: Path):
    with mail_server(tmp_path, tls=False) as box:
        made = desk_on(tmp_path, box)
        made.write_due(NOW)
        assert made.send(NOW) == (0, 2)
        assert "STARTTLS" in made.archive.deliveries("ward", "2026-03")[0].problem
        assert box.taken == []


def test_a_refused_recipient_stops_no_other_and_can_be_tried_again(tmp_path: Path):
    with mail_server(tmp_path) as box, capture_logs() as logs:
        box.refuse["head@example.org"] = "550 no zebrafish here"
        made = desk_on(tmp_path, box)
        made.write_due(NOW)
        assert made.send(NOW) == (1, 1)
        failed, sent = made.archive.deliveries("ward", "2026-03")
        assert (failed.state, failed.problem, sent.state) == (
            "failed",
            "The mail server refuses the recipient (550).",
            "sent",
        )
        box.refuse.clear()
        assert made.send(NOW + DAY) == (0, 0)
        assert made.archive.again("ward", "2026-03", NOW) == 1
        assert made.send(NOW + DAY) == (1, 0)
    assert "zebrafish" not in str(logs)


def test_who_dies_while_sending_is_followed_by_a_copy_that_is_known_as_one(tmp_path: Path):
    with mail_server(tmp_path) as box:
        made = desk_on(tmp_path, box, {**WARD, "recipients": ["head@example.org"]})
        made.write_due(NOW)
        claimed = made.archive.claim(NOW, NOW + HELD)  # taken by one that then ends
        assert claimed is not None and made.send(NOW) == (0, 0)
        assert made.send(NOW + HELD) == (1, 0)
        first = made._message(made._mailer, claimed, NOW)  # pyright: ignore[reportArgumentType]
        assert first["Message-ID"] == box.taken[0][1]["Message-ID"]


def test_wrong_files_and_questions_stop_no_other_report(tmp_path: Path):
    define(tmp_path, {**WARD, "name": "broken", "questions": [{"title": "No such", "sql": ["SELECT x FROM nothing"]}]})
    (tmp_path / "reports" / "worse.json").write_text('{"name": "worse"')
    define(tmp_path, {**WARD, "name": "header", "recipients": ["a@b.example\nBcc: x@y.example"]})
    made = desk_on(tmp_path)
    assert [each.report.name for each in made.write_due(NOW)] == ["monthly", "ward"]
    assert "The question 'No such'" in made.problems["broken"]
    assert [problem.split()[0] for problem in made.reports().problems] == ["header.json", "worse.json"]
    with pytest.raises(FhirError, match="is not over yet"):
        made.ended(reports().reports["monthly"], "2026-04", NOW)
    with pytest.raises(FhirError, match="smtp_sender"):
        desk_on(tmp_path, smtp_url="smtp://127.0.0.1:25")


def test_letters_that_the_font_lacks_and_wide_answers_have_a_pdf(tmp_path: Path):
    wide = ", ".join(f"'<b>Ж{n}' AS \"c{n}\"" for n in range(40))
    made = desk_on(tmp_path, None, {**WARD, "title": "日本 & <report>", "questions": [
        {"title": "Wide", "sql": [f"SELECT {wide}, repeat('x', 5000) FROM range(600)"]}]})  # fmt: skip
    made.write_due(NOW)
    assert made.problems == {}
    assert made.file("ward", "2026-03", "ward-2026-03.pdf").content.startswith(b"%PDF-")


@pytest.mark.anyio
async def test_the_subsystem_writes_what_is_due_and_a_replay_writes_nothing_more(fhir: Fhir, tmp_path: Path):
    define(tmp_path, WARD)
    for stay in STAYS:
        await fhir.create(stay)
    analytics = make(settings(tmp_path))
    await settle(fhir.server, analytics, NOW)
    before = analytics.desk.archive.written("ward", "2026-03")
    analytics.drop()
    await settle(fhir.server, analytics, NOW + DAY)
    assert analytics.desk.archive.written("ward", "2026-03") == before
    assert len(analytics.desk.archive.all("ward")) == 1


@pytest.mark.anyio
async def test_a_lake_that_is_behind_catches_up_before_a_report_is_written(fhir: Fhir, tmp_path: Path):
    for stay in STAYS:
        await fhir.create(stay)
    analytics = make(settings(tmp_path))
    whole = await read(fhir.server, 0)
    analytics.take(Portion(whole.changes[:1], whole.changes[0].position, whole.head))
    await analytics.work(fhir.server, NOW)
    assert analytics.desk.archive.all("monthly") == []
    analytics.take(whole)
    await analytics.work(fhir.server, NOW)
    assert len(analytics.desk.archive.all("monthly")) == 1


@pytest.mark.anyio
async def test_what_is_erased_is_withdrawn_with_the_reports_that_name_it(fhir: Fhir, tmp_path: Path):
    define(tmp_path, WARD)
    await fhir.create({"resourceType": "Patient", "id": "zebrafish"})
    for stay in STAYS:
        await fhir.create(stay)
    analytics = make(settings(tmp_path))
    await settle(fhir.server, analytics, NOW)
    assert (await fhir.post("Patient/zebrafish/$purge", None)).status_code == 200
    await catch_up(fhir.server, analytics)
    with pytest.raises(FhirError, match="was withdrawn"):
        analytics.desk.archive.written("ward", "2026-03")
    assert {each.state for each in analytics.desk.archive.deliveries("ward", "2026-03")} == {"withdrawn"}
    assert not any(b"zebrafish" in file.read_bytes() for file in tmp_path.glob("reports.sqlite*"))
    await analytics.work(fhir.server, NOW)
    with pytest.raises(FhirError, match="was withdrawn"):
        analytics.desk.archive.written("ward", "2026-03")
