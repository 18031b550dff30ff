"""hms hl7: the interface as a process of its own, and what a person does with messages."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fhir_server.commands.hl7_try import try_message
from fhir_server.commands.message_log import MessageLog, opened
from fhir_server.commands.options import Config, Data, require_url, with_settings
from fhir_server.commands.sockets import host_and_port
from fhir_server.commands.tokens import ClientIdOption, ClientKeyOption, TokenFileOption, shown
from fhir_server.core.configuration import load
from fhir_server.core.errors import error
from fhir_server.core.logs import configure
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.client import ShownToken
    from interfaces.hl7v2.interface import Hl7Interface

T = TypeVar("T")

hl7 = typer.Typer(help="HL7 v2: listen, send, look at messages, correct and replay them.", no_args_is_help=True)

hl7.command("try")(try_message)

Server = Annotated[
    str,
    typer.Option(
        metavar="URL", help="A running server, such as http://127.0.0.1:8080; else the store in --data.",
        show_default=False, callback=require_url,
    ),
]  # fmt: skip
Id = Annotated[int, typer.Argument(help="The message's number in the log.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the message.", show_default=False)]
State = Annotated[str, typer.Option(help="received, translating, done, waiting, failed or ignored.")]
Sender = Annotated[str, typer.Option(help="MSH-3 and MSH-4, such as LAB|HOSPITAL.")]
Kind = Annotated[str, typer.Option(help="The beginning of MSH-9, such as ORU or ADT^A01.")]
Since = Annotated[str, typer.Option(help="Received since this date or time.")]
Until = Annotated[str, typer.Option(help="Received before this date or time.")]


@hl7.command()
@with_settings
def listen(
    settings: Settings,
    server: Annotated[str, typer.Option(metavar="URL", help="FHIR base URL that messages are committed to.")],
    token_file: TokenFileOption = None,
    client_id: ClientIdOption = "",
    client_key: ClientKeyOption = None,
) -> None:
    """Receive messages in a process of its own and commit them to a FHIR server behind HTTP."""
    from interfaces.hl7v2.assembly import interfaces_file
    from interfaces.hl7v2.checking import require_usable

    interfaces = interfaces_file(settings)
    if not interfaces.listener and not interfaces.folder:
        raise error("required", "There is nothing to listen to; give --hl7-port or --hl7 with a file of listeners.")
    require_usable(interfaces, settings.hl7)
    token = shown(server, token_file, client_id, client_key)
    configure(settings)
    asyncio.run(_listen(settings, server, token))


async def _listen(settings: Settings, server: str, token: ShownToken | None) -> None:
    from fhir_server.bootstrap import now
    from fhir_server.client import HttpClient
    from interfaces.hl7v2.assembly import apart

    client = HttpClient(server, connections=64, token=token)
    interface = await apart(settings, client, now)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    print(banner(interface), file=sys.stderr, flush=True)
    try:
        await stopping.wait()
    finally:
        await interface.stop()
        await client.close()


def announced(settings: Settings) -> list[str]:
    """The lines of a server's banner about its interfaces; FhirError "value" for a mistake in their file, "unavailable"
    for a port that is taken."""
    if not settings.hl7 and not settings.hl7_port:
        return []
    from interfaces.hl7v2.assembly import interfaces_file
    from interfaces.hl7v2.checking import require_usable
    from interfaces.hl7v2.mllp.listener import require_free

    interfaces = interfaces_file(settings)
    require_usable(interfaces, settings.hl7)
    listeners = interfaces.listener
    require_free(listeners)  # in a worker it would be told after the banner
    return [
        f"HL7 v2       mllp://{each.host}:{each.port or '(a free port)'} ({name}); messages at /hl7/"
        for name, each in listeners.items()
    ]


def banner(interface: Hl7Interface) -> str:
    """Where it listens."""
    return "\n".join(
        f"HL7 v2       mllp://{each.listener.host}:{each.port} ({each.name})" for each in interface.listeners
    )


@hl7.command("list")
def list_messages(
    state: State = "",
    sender: Sender = "",
    kind: Kind = "",
    patient: Annotated[str, typer.Option(help="A patient number.")] = "",
    text: Annotated[str, typer.Option(help="Part of MSH-10, of MSH-9 or of the reason.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    server: Server = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """List messages, newest first."""
    given = {"state": state, "sender": sender, "kind": kind, "patient": patient, "text": text, "since": since,
             "until": until, "limit": str(limit)}  # fmt: skip
    query = {name: value for name, value in given.items() if value}
    found = _with(server, data, config, lambda log: log.list(query))
    for each in found:
        row = (each["id"], each["received"], each["state"], each["kind"], each["sender"], each["control"])
        print("  ".join(str(part) for part in row), f" {each['reason']}" if each["reason"] else "")
    if not found:
        print("No message is like this.", file=sys.stderr)


@hl7.command()
def show(id: Id, server: Server = "", data: Data = None, config: Config = None) -> None:
    """Show a message: its content, what became of it, what it made, how it was answered."""
    found = _with(server, data, config, lambda log: log.show(id))
    for name in ("kind", "sender", "source", "control", "version", "state", "reason"):
        print(f"{name:<10}{found[name]}")
    print(f"{'patients':<10}{', '.join(found['patients'])}")
    for step in found["steps"]:
        print(f"{'':<10}{step['at']}  {step['state']}  {step['reason']}".rstrip())
    for link in found["links"]:
        print(f"{'made':<10}{link}")
    print(f"\n{found['text'].rstrip()}\n")
    print(found["answer"].replace("\r", "\n").rstrip())


@hl7.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Messages; none for all that the options choose.")] = None,
    state: State = "",
    sender: Sender = "",
    kind: Kind = "",
    since: Since = "",
    until: Until = "",
    reason: Reason = "",
    server: Server = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Apply messages anew, in the order in which they came."""
    given = {"state": state, "sender": sender, "kind": kind, "since": since, "until": until}
    chosen = {name: value for name, value in given.items() if value}
    if not ids and not chosen:
        raise error("required", "Name messages, or choose them: --state failed, --sender …, --since …")

    async def work(log: MessageLog) -> int:
        if not ids:
            return await log.replay_range(chosen, reason)
        for id in sorted(ids):
            await log.replay(id, reason)
        return len(ids)

    print(f"{_with(server, data, config, work)} messages are applied anew by a server that runs on the store.")


@hl7.command()
def correct(
    id: Id,
    file: Annotated[Path, typer.Argument(help="The message as it should have been.", show_default=False)],
    reason: Reason = "",
    server: Server = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Apply a message anew with other content; what came is kept beside it."""
    content = _read(file)
    _with(server, data, config, lambda log: log.correct(id, content, reason))
    print(f"Message {id} is applied anew, corrected.")


@hl7.command()
def dismiss(id: Id, reason: Reason, server: Server = "", data: Data = None, config: Config = None) -> None:
    """Put a failed or waiting message aside, with a reason."""
    _with(server, data, config, lambda log: log.dismiss(id, reason))
    print(f"Message {id} is dismissed.")


@hl7.command()
def send(
    file: Annotated[Path, typer.Argument(help="A message, or several, as they are or in frames.", show_default=False)],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to send them over MLLP.")],
    seconds: Annotated[float, typer.Option(help="How long to wait for each answer.")] = 30,
) -> None:
    """Send the messages of a file over MLLP and print the answers; the exit code is 1 where one is not accepted."""
    accepted = asyncio.run(accepted_over_mllp(_read(file), *host_and_port("--to", to), seconds))
    if not accepted:
        raise typer.Exit(1)


async def accepted_over_mllp(content: bytes, host: str, port: int, seconds: float) -> bool:
    """Sends messages, as they are or in frames, and prints the answers; whether all were accepted."""
    from interfaces.hl7v2.configuration import Destination
    from interfaces.hl7v2.exchange.batches import split
    from interfaces.hl7v2.header import read_header
    from interfaces.hl7v2.mllp.frames import Frames
    from interfaces.hl7v2.mllp.sender import MllpSender, Undelivered

    frames = [frame.content for frame in Frames(2**30).feed(content)] if b"\x0b" in content[:1] else split(content)
    sender = MllpSender(Destination(host=host, port=port, answer_seconds=seconds))
    accepted = True
    try:
        for message in frames:
            header = read_header(message)
            try:
                if header is not None and header.enhanced and not {header.accept, header.application} - {"", "NE"}:
                    await sender.tell(message)
                    print(f"{header.control}: sent; it asks for no acknowledgement.")
                    continue
                answer = await sender.send(message, header.control if header else "")
            except Undelivered as problem:
                raise error(
                    "unavailable",
                    f"{host}:{port} did not take the message: {problem}. Is its listener started on this port?",
                ) from problem
            print(answer.content.decode("utf-8", "replace").replace("\r", "\n"))
            accepted = accepted and answer.accepted
    finally:
        await sender.close()
    return accepted


def _read(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise error("not-found", f"{file} can't be read: {problem.strerror}.") from problem
    return content if b"\r" in content else content.replace(b"\n", b"\r")


def _with(server: str, data: Path | None, config: Path | None, work: Callable[[MessageLog], Awaitable[T]]) -> T:
    settings = load({"data": data}, config=config)

    async def run() -> Any:
        async with opened(server, settings) as log:
            return await work(log)

    return asyncio.run(run())
