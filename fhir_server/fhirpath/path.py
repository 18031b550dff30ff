"""compile_path: an expression as functions, compiled once and kept."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.fhirpath.ast import Binary, Call, Indexer, Member, Node, Polarity, TypeOperation
from fhir_server.fhirpath.environment import Environment
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.generate import functions
from fhir_server.fhirpath.generate.flow import NotStatic
from fhir_server.fhirpath.model import Model, model_of
from fhir_server.fhirpath.parser import parse

Json = dict[str, Any]
Values = Callable[..., list[tuple[str, Any]]]

MAX_KEPT = 10_000


class Path:
    """One expression for one type of context, see compile_path."""

    __slots__ = ("_model", "_node", "context_type", "expression", "is_true", "strict", "values")

    values: Values
    is_true: Callable[..., bool]

    def __init__(self, expression: str, node: Node, model: Model, context_type: str, strict: bool) -> None:
        self.expression = expression
        self.context_type = context_type
        self.strict = strict
        self._node = node
        self._model = model
        # each is replaced by its generated function when it is first called
        self.values = self._first_values
        self.is_true = self._first_is_true

    def __repr__(self) -> str:
        return f"Path({self.expression!r}, context_type={self.context_type!r})"

    def _first_values(
        self, item: Any, root: Json | None = None, environment: Environment | None = None
    ) -> list[tuple[str, Any]]:
        try:
            self.values = functions.generate_values(
                self._model, self._node, self.context_type, self.strict, self._run, self._engine_values
            )
        except NotStatic:
            self.values = self._engine_values
        return self.values(item, root, environment)

    def _first_is_true(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> bool:
        try:
            self.is_true = functions.generate_condition(
                self._model, self._node, self.context_type, self.strict, self._run, self._engine_is_true
            )
        except NotStatic:
            self.is_true = self._engine_is_true
        return self.is_true(item, root, environment)

    def _run(self, node: Node, type_name: str) -> Callable[..., bool | None]:
        raise NotStatic

    def _engine_values(self, item: Any, root: Json | None, environment: Environment | None) -> list[tuple[str, Any]]:
        raise FhirPathError("execution", "This expression can't be evaluated yet").located(self.expression)

    def _engine_is_true(self, item: Any, root: Json | None, environment: Environment | None) -> bool:
        raise FhirPathError("execution", "This expression can't be evaluated yet").located(self.expression)


_paths: weakref.WeakKeyDictionary[Model, dict[tuple[str, str, bool], Path]] = weakref.WeakKeyDictionary()


def compile_path(expression: str, definitions: Definitions, context_type: str = "", *, strict: bool = False) -> Path:
    """The Path of an expression; see the package's docstring. Raises FhirPathError of kind syntax or semantic."""
    model = model_of(definitions)
    kept = _paths.setdefault(model, {})
    key = (expression, context_type, strict)
    path = kept.get(key)
    if path is None:
        node = parse(expression)
        if len(kept) >= MAX_KEPT:
            kept.pop(next(iter(kept)), None)
        path = kept[key] = Path(expression, node, model, context_type or leading_type(node, model), strict)
    return path


def leading_type(node: Node, model: Model) -> str:
    """The type that a path names at its start: Patient of Patient.name; "" where it names none."""
    while True:
        if (isinstance(node, (Member, Call)) and node.source is not None) or isinstance(node, Indexer):
            node = node.source
        elif isinstance(node, (Polarity, TypeOperation)):
            node = node.operand
        elif isinstance(node, Binary):
            node = node.left
        else:
            break
    return node.name if isinstance(node, Member) and model.is_type(node.name) else ""
