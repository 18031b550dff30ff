"""compile_path: an expression as functions, compiled once and kept."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.fhirpath.ast import Node
from fhir_server.fhirpath.engine.compile import Closure, Compiler
from fhir_server.fhirpath.engine.evaluate import Result, fhir_type, frame_for, is_true, plain, result
from fhir_server.fhirpath.engine.frame import Budget, Frame
from fhir_server.fhirpath.engine.items import type_name_of
from fhir_server.fhirpath.environment import DEFAULT, Environment
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.generate import functions
from fhir_server.fhirpath.generate.builder import misshapen
from fhir_server.fhirpath.generate.flow import NotStatic
from fhir_server.fhirpath.inference import infer
from fhir_server.fhirpath.model import Model, model_of
from fhir_server.fhirpath.parser import parse

Json = dict[str, Any]
Pairs = list[tuple[str, Any]]

MAX_KEPT = 10_000


@contextlib.contextmanager
def located(expression: str, item: Any) -> Iterator[None]:
    """Says in errors which expression it was, and makes a FhirPathError of what misshapen JSON makes of the engine."""
    try:
        yield
    except FhirPathError as failure:
        raise failure.located(expression) from None
    except RecursionError:
        raise FhirPathError("limit", "The expression is nested too deep").located(expression) from None
    except functions.SHAPE_ERRORS as failure:
        raise misshapen(item).located(expression) from failure


class Path:
    """One expression for one type of context, see compile_path.

    result_types: the FHIR and System types that results can have, None where the definitions don't settle it;
    warnings: parts that are always empty, since R4 has no such element; where strict they are errors.
    """

    __slots__ = (
        "_closure",
        "_model",
        "_node",
        "context_type",
        "expression",
        "is_true",
        "is_violated",
        "result_types",
        "strict",
        "values",
        "warnings",
    )

    values: Callable[..., Pairs]
    is_true: Callable[..., bool]
    is_violated: Callable[..., bool]

    def __init__(self, expression: str, node: Node, model: Model, context_type: str, strict: bool) -> None:
        self.expression = expression
        self.context_type = context_type
        self.strict = strict
        self._node = node
        self._model = model
        root_type = functions.root_type_of(model, context_type)
        shape, self.warnings = infer(model, node, context_type, root_type, strict)
        self.result_types = shape.types
        self._closure: Closure | None = None
        # each is replaced by its generated function when it is first called
        self.values = self._first_values
        self.is_true = self._first_is_true
        self.is_violated = self._first_is_violated

    def __repr__(self) -> str:
        return f"Path({self.expression!r}, context_type={self.context_type!r})"

    def evaluate(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> list[Result]:
        """Every item of the result with its type, value and place. Counts steps and time, see Environment."""
        return [result(found) for found in self._engine(item, root, environment)[0]]

    def _engine(self, item: Any, root: Json | None, environment: Environment | None) -> tuple[list[Any], Frame]:
        """The result by the engine, and the frame that it was found in."""
        return self._guarded(self._compiled(), item, root, environment)

    def _compiled(self) -> Closure:
        if self._closure is None:
            self._closure = Compiler(self._model, self.strict).compile(self._node)
        return self._closure

    def _guarded(self, evaluate: Callable[[Frame], Any], item: Any, root: Json | None, environment: Environment | None):
        with located(self.expression, item):
            frame = frame_for(self._model, item, self.context_type, root, environment)
            return evaluate(frame), frame

    def _engine_values(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> Pairs:
        found, _ = self._engine(item, root, environment)
        pairs = ((fhir_type(type_name_of(item)), plain(item)) for item in found)
        return [pair for pair in pairs if pair[1] is not None]

    def _engine_truth(self, item: Any, root: Json | None, environment: Environment | None) -> bool | None:
        closure = self._compiled()
        return self._guarded(lambda frame: is_true(self._model, closure, frame), item, root, environment)[0]

    def _engine_is_true(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> bool:
        return self._engine_truth(item, root, environment) is True

    def _engine_is_violated(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> bool:
        return self._engine_truth(item, root, environment) is False

    def _first_values(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> Pairs:
        try:
            self.values = functions.generate_values(
                self._model, self._node, self.context_type, self.strict, self._part, self._engine_values
            )
        except NotStatic:
            self.values = self._engine_values
        return self.values(item, root, environment)

    def _first_is_true(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> bool:
        self.is_true = self._condition(True, self._engine_is_true)
        return self.is_true(item, root, environment)

    def _first_is_violated(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> bool:
        self.is_violated = self._condition(False, self._engine_is_violated)
        return self.is_violated(item, root, environment)

    def _condition(self, wanted: bool, engine: Callable[..., bool]) -> Callable[..., bool]:
        try:
            return functions.generate_condition(
                self._model, self._node, self.context_type, self.strict, wanted, self._part, engine
            )
        except NotStatic:
            return engine

    def _part(self, node: Node, type_name: str) -> Callable[..., bool | None]:
        """What generated code calls for a part without generated form.

        (this, root, environment, budget) -> bool or None; budget: a list that the first call puts the Budget in.
        """
        closure = Compiler(self._model, self.strict).compile(node)
        model, expression = self._model, self.expression

        def run(this: Any, root: Json | None, environment: Environment | None, budget: list[Budget]) -> bool | None:
            if not budget:
                budget.append(Budget(environment or DEFAULT))
            with located(expression, this):
                return is_true(model, closure, frame_for(model, this, type_name, root, environment, budget[0]))

        return run


class _AnyTypePath(Path):
    """A path without a context type: one Path for each resource type that it meets."""

    __slots__ = ("_of",)

    def __init__(self, expression: str, node: Node, model: Model, strict: bool, of: Callable[[str], Path]) -> None:
        super().__init__(expression, node, model, "", strict)
        self._of = of
        self.values = lambda item, root=None, environment=None: self._for(item).values(item, root, environment)
        self.is_true = lambda item, root=None, environment=None: self._for(item).is_true(item, root, environment)
        self.is_violated = lambda item, root=None, environment=None: self._for(item).is_violated(
            item, root, environment
        )

    def evaluate(self, item: Any, root: Json | None = None, environment: Environment | None = None) -> list[Result]:
        """See Path.evaluate."""
        return self._for(item).evaluate(item, root, environment)

    def _for(self, item: Any) -> Path:
        type_name = item.get("resourceType", "") if isinstance(item, dict) else ""
        if not self._model.is_resource(type_name):
            raise FhirPathError(
                "execution",
                "This is no resource; give compile_path the type of the item that the expression applies to",
            ).located(self.expression)
        return self._of(type_name)


def compile_path(expression: str, definitions: Definitions, context_type: str = "", *, strict: bool = False) -> Path:
    """The Path of an expression; see the package's docstring. FhirPathError of kind syntax, semantic or limit."""
    model = model_of(definitions)
    kept = model.paths
    key = (expression, context_type, strict)
    path = kept.get(key)
    if path is None:
        if len(kept) >= MAX_KEPT:
            kept.pop(next(iter(kept)), None)
        path = kept[key] = _new_path(expression, definitions, model, context_type, strict)
    return path


def _new_path(expression: str, definitions: Definitions, model: Model, context_type: str, strict: bool) -> Path:
    node = parse(expression)
    try:
        if context_type:
            if not model.is_type(context_type):
                raise FhirPathError("semantic", f"The context type {context_type} is no type of R4")
            return Path(expression, node, model, context_type, strict)
        of = functools.partial(compile_path, expression, definitions, strict=strict)
        return _AnyTypePath(expression, node, model, strict, of)
    except FhirPathError as failure:
        raise failure.located(expression) from None
    except RecursionError:
        raise FhirPathError("limit", "The expression is nested too deep").located(expression) from None
