"""How this process logs: structured lines on standard error, with nothing of what resources say.

An exception is logged by its type and its frames; its text, which may quote what was sent, only at level debug.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from fhir_server.core.settings import Settings

Event = MutableMapping[str, Any]
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]

QUIET = {"httpx": logging.WARNING, "asyncio": logging.WARNING}


def configure(settings: Settings) -> None:
    """Sets up structlog, and the standard library's logging to end in the same lines."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Exceptions(level <= logging.DEBUG),
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, _renderer(console)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line in one write, whole beside other workers
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(console)],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))


def _renderer(console: bool) -> Any:
    if console:
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()


class _Exceptions:
    """Puts an exception's type and frames into the event; its text too where asked."""

    def __init__(self, text: bool) -> None:
        self._text = text

    def __call__(self, logger: Any, name: str, event: Event) -> Event:
        """A structlog processor."""
        information = _information(event.pop("exc_info", None))
        if information is not None:
            kind, problem, frames = information
            event["exception"] = f"{kind.__name__}: {problem}" if self._text else kind.__name__
            event["frames"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(frames)]
        return event


def _information(given: Any) -> ExceptionInfo | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if given and not isinstance(given, tuple):
        given = sys.exc_info()
    return given if given and given[0] is not None else None
