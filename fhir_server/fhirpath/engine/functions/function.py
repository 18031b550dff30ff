"""How a function is described to the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.fhirpath.engine.items import Item

Run = Callable[..., list[Item]]
ANY = 1000


class Function(NamedTuple):
    """A function of FHIRPath.

    run(model, frame, input, *arguments) -> items; arguments are lists of items, or closures where scoped, which take
    the Frame that the function makes for them. minimum, maximum: how many arguments.
    type_argument: the argument names a type. prepare(compiler, call) -> run: for what must know the syntax tree.
    """

    run: Run
    minimum: int = 0
    maximum: int = 0
    scoped: bool = False
    type_argument: bool = False
    prepare: Callable[[Any, Any], Run] | None = None
