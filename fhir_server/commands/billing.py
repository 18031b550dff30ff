"""hms billing: fee schedules and code edits, payments, what is settled by a person, and what the journal says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.hosting import FOLDER
from fhir_server.commands.options import Config, Data, Server, require_url
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error

if TYPE_CHECKING:
    from fhir_server.subsystems.billing.service import Billing

AT_ONCE = 500
billing = typer.Typer(help="Fee schedules, code edits, X12 files, the journal.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False, show_default=False)]
Token = Annotated[str, typer.Option(help="Access token for --server.", envvar="FHIR_TOKEN", show_default=False)]

Mounted = Annotated[
    str, typer.Option(metavar="URL", help="FHIR base URL of a server with billing mounted.", callback=require_url)
]
Reason = Annotated[str, typer.Option(help="Why, which is kept.", show_default=False)]


@billing.command()
def fees(file: File, server: Server = "", token: Token = "", data: Data = None, config: Config = None) -> None:
    """Load a fee schedule: CSV with code, price, and where wanted system, title, from, to, payer, hcpcs, revenue."""
    from fhir_server.bootstrap import now
    from fhir_server.commands.opening import client
    from fhir_server.subsystems.billing.fees import definitions
    from fhir_server.subsystems.writing import put_all

    try:
        found = list(definitions(file.read_text("utf-8")))
    except UnicodeDecodeError as problem:
        raise error(
            "value", f"{file} is not UTF-8 (byte {problem.start + 1}); save it as CSV in UTF-8, as spreadsheets can."
        ) from None

    async def write() -> None:
        settings = load_settings({"data": data}, config=config)
        async with client(server, settings, token=token) as opened:
            for start in range(0, len(found), AT_ONCE):
                part = found[start : start + AT_ONCE]
                await put_all(opened, part, subsystem="billing", rule="fee schedule", now=now())

    asyncio.run(write())
    print(f"{len(found)} prices")


@billing.command()
def edits(
    kind: Annotated[str, typer.Argument(help="ptp or mue.", show_default=False)],
    file: File,
    data: Data = None,
    config: Config = None,
) -> None:
    """Load NCCI edits as CMS publishes them: pairs of codes (ptp) or most units (mue); they replace the old ones."""
    if kind not in ("ptp", "mue"):
        raise error("value", f"The kind must be ptp or mue, not {kind[:20]!r}.")
    opened = _opened(data, config)
    print(f"{opened.edits.load(kind, file.read_text('utf-8', errors='replace'))} {kind} edits")
    opened.close()


@billing.command()
def check(file: File) -> None:
    """Read an X12 file and print what is wrong in it, with segment and loop."""
    from interfaces.x12.reader import read

    document = read(file.read_bytes())
    for transaction in document.transactions():
        print(f"{transaction.name} {transaction.st[2]}: {sum(1 for _ in transaction.root.walk())} segments")
    problems = document.problems()
    for problem in problems:
        print(f"{problem.kind}: {problem}")
    if problems:
        raise SystemExit(1)


@billing.command()
def trial(data: Data = None, config: Config = None) -> None:
    """Print the trial balance."""
    from fhir_server.subsystems.billing.ledger import trial_balance

    opened = _opened(data, config)
    found = trial_balance(opened.store)
    for row in found["accounts"]:
        amounts = "".join(f"{row[name] / 100:>17.2f}" for name in ("debit", "credit", "balance"))
        print(f"{row['account']:<22}{amounts}")
    print(f"{'sum':<22} {found['sum'] / 100:>50.2f}")
    opened.close()


@billing.command()
def pay(
    patient: Annotated[str, typer.Argument(help="Id of the patient.", show_default=False)],
    amount: Annotated[str, typer.Argument(help="Such as 12.50.", show_default=False)],
    receipt: Annotated[str, typer.Option(help="Its receipt number, which is posted once.", show_default=False)],
    server: Mounted,
    method: Annotated[str, typer.Option(help="cash, card, check or transfer.")] = "cash",
    invoice: Annotated[str, typer.Option(help="Invoice to pay first; else the oldest.", show_default=False)] = "",
    date: Annotated[str, typer.Option(help="Day it was paid, if not today.", show_default=False)] = "",
    token: Token = "",
) -> None:
    """Post a payment of a patient; what is beyond the invoices is kept as a credit."""
    fields = {"receipt": receipt, "amount": amount, "method": method, "invoice": invoice, "date": date}
    status, said = _ask(server, token, f"patients/{patient.removeprefix('Patient/')}/payments", fields)
    print(f"{said['payment']}  {'posted' if status == 201 else 'was posted before'}")
    for each in said["details"]:
        print(f"{each['amount']:>12}  {each.get('invoice') or 'kept as a credit'}")


@billing.command()
def settle(
    task: Annotated[str, typer.Argument(help="Id of the denial's Task.", show_default=False)],
    how: Annotated[str, typer.Argument(help="write-off or bill-patient.", show_default=False)],
    reason: Reason,
    server: Mounted,
    agreement: Annotated[
        str, typer.Option(help="Where the patient's agreement is kept, for what is the provider's to bear (CO).")
    ] = "",
    token: Token = "",
) -> None:
    """Write a final denial off, or bill it to the patient."""
    if how not in ("write-off", "bill-patient"):
        raise error("value", f"How must be write-off or bill-patient, not {how[:20]!r}.")
    fields = {"reason": reason, "agreement": agreement}
    _, said = _ask(server, token, f"work/{task.removeprefix('Task/')}/{how}", fields)
    for each in said["details"]:
        print(f"{said['payment']}  {each['amount']} of {each['claim']}")


@billing.command("post")
def post_anyway(
    file: Annotated[str, typer.Argument(help="Id of its DocumentReference.", show_default=False)],
    reason: Reason,
    server: Mounted,
    token: Token = "",
) -> None:
    """Post a payer's file that was set aside because it does not add up, or seems to be posted already."""
    _, said = _ask(server, token, f"files/{file.removeprefix('DocumentReference/')}/post", {"reason": reason})
    print(f"{said['file']}  posted in spite of: {'; '.join(said['in spite of'])}")


def _ask(server: str, token: str, path: str, fields: dict[str, str]) -> tuple[int, Any]:
    """The status and the answer of billing's REST at a server; FhirError where it refuses, or is not there."""
    import httpx

    at = httpx.URL(server).join(f"/billing/{path}")
    try:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(at, json=fields, headers=headers, timeout=60)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as problem:
        raise error("unavailable", f"There is no billing at {at}: {problem or type(problem).__name__}.") from None
    if answer.status_code == 405:  # of the server itself
        raise error("unavailable", f"There is no billing at {at}; start the server with --subsystems billing.")
    if answer.status_code >= 400:
        raise error("value", "; ".join(each.get("diagnostics", "") for each in said.get("issue", ())))
    return answer.status_code, said


def _opened(data: Path | None, config: Path | None) -> Billing:
    """What billing keeps in a data folder; FhirError "not-found" where nothing is kept yet, so that a wrong folder is
    not taken for an empty one."""
    from fhir_server.subsystems.billing.mounted import make

    settings = load_settings({"data": data}, config=config)
    if not (settings.data / FOLDER / "billing.sqlite").exists():
        raise error(
            "not-found",
            f"Billing has kept nothing in {settings.data.resolve()}: name the data folder of a server that was started "
            "with --subsystems billing, or of hms subsystem run billing.",
        )
    return make(settings)
