"""Many paths in one function: what search extraction is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.generate import functions, navigation
from fhir_server.fhirpath.generate.flow import Branch, NotStatic, Step, TooLarge
from fhir_server.fhirpath.generate.writer import Scope
from fhir_server.fhirpath.model import model_of
from fhir_server.fhirpath.parser import parse

Body = Callable[[str, str], list[str]]


class _Block:
    """What stands in one block: lines, and blocks opened by steps; equal steps open one block."""

    def __init__(self) -> None:
        self.content: list[str | Step] = []
        self.blocks: dict[Step, _Block] = {}

    def inside(self, steps: tuple[Step, ...]) -> _Block:
        """The block inside of these steps."""
        block = self
        for step in steps:
            if step not in block.blocks:
                block.blocks[step] = _Block()
                block.content.append(step)
            if step.kind != "line":
                block = block.blocks[step]
        return block

    def lines(self) -> list[str]:
        """The source."""
        found = []
        for part in self.content:
            if isinstance(part, str):
                found.append(part)
            else:
                found.append(part.line)
                found.extend(f" {line}" for line in self.blocks[part].lines())
        return found


class PathsBuilder:
    """Compiles many paths of one type to one function, sharing the loops over arrays that they have in common.

        builder = PathsBuilder(definitions, "Patient")
        builder.names["fold"] = fold
        builder.add("Patient.name.family", lambda type_name, value: [f"found.append((0, 'family', fold({value})))"])
        builder.add("Patient.name.given", lambda type_name, value: [f"found.append((0, 'given', fold({value})))"])
        extract = builder.build("found")       # extract(item, found, root=None, environment=None)

    makes

        def paths(item, found, root=None, environment=None):
            for v1 in item.get('name', ()):
                if (v2 := v1.get('family')) is not None:
                    found.append((0, 'family', fold(v2)))
                for v3 in v1.get('given', ()):
                    if v3 is not None:
                        found.append((0, 'given', fold(v3)))

    names: what the lines of bodies may use besides value, item and the parameters; names of the form v1, f1, c1, E and
    of FHIRPath functions are taken. Variables in bodies must not be named v and a number.
    """

    def __init__(self, definitions: Definitions, context_type: str) -> None:
        self._model = model_of(definitions)
        self._context_type = context_type
        self._writer = functions.new_writer(self._model, context_type, False, _no_engine)
        self._block = _Block()
        self.names: dict[str, Any] = {}

    def add(self, expression: str, body: Body) -> bool:
        """Adds a path; False where the definitions don't settle it, so that compile_path(…).values is to be used.

        body(type name, value) -> the lines to run for each value; called now, once for each type that values can have.
        value is an expression, a variable but for computed values, never None at run time. The type name is "Resource"
        where value["resourceType"] says which. Values may come in any order, and those of a union twice.
        """
        scope = Scope(navigation.context_branch(self._context_type))
        return self._add(self._block, expression, scope, body)

    def lines(self, expression: str, type_name: str, value: str, body: Body) -> list[str] | None:
        """The lines for a path relative to a value that a body was given: the components of a composite parameter.

        For use inside of the body, with the type name and value it got; None where the definitions don't settle it.
        """
        block = _Block()
        this = Branch(
            (), value, type_name, nullable=False, default="" if self._model.is_primitive(type_name) else value
        )
        scope = Scope(this, frozenset(self._writer.variables))
        return block.lines() if self._add(block, expression, scope, body) else None

    def _add(self, block: _Block, expression: str, scope: Scope, body: Body) -> bool:
        node = parse(expression)
        try:
            if functions.is_dynamic(node):
                return False
            collection = functions.result_flow(self._writer, node, scope, loose=True)
        except (NotStatic, TooLarge, RecursionError):
            return False
        for branch in collection.branches:
            bound = self._bind(branch, scope)
            block.inside(bound.steps).content.extend(body(functions.fhir_name(bound.type), bound.value))
        return True

    def _bind(self, branch: Branch, scope: Scope) -> Branch:
        if branch.in_array and branch.nullable:
            check = Step("if", "", f"{branch.value} is not None")
            return branch._replace(steps=(*branch.steps, check), nullable=False)
        return navigation.bind_value(self._writer, branch, scope.bound)

    def build(self, *parameters: str) -> Callable[..., None]:
        """The function paths(item, *parameters, root=None, environment=None).

        It raises FhirPathError, kind execution, for JSON that is not shaped as the definitions say.
        """
        lines = ["if root is None: root = item", "budget = []", "try:"]
        lines += [f"  {line}" for line in self._block.lines()] or ["  pass"]
        lines += ["except SHAPE_ERRORS as failure: raise misshapen(item) from failure"]
        self._writer.names |= {**self.names, "SHAPE_ERRORS": functions.SHAPE_ERRORS, "misshapen": misshapen}
        signature = ", ".join(("item", *parameters, "root=None", "environment=None"))
        try:
            return functions.compile_function(self._writer, "paths", lines, signature)
        except NotStatic:
            raise FhirPathError("limit", f"The paths of {self._context_type} are nested too deep to compile") from None


def misshapen(item: Any) -> FhirPathError:
    """The error for a resource whose JSON has arrays, objects or values where R4 has others."""
    name = item.get("resourceType", "resource") if isinstance(item, dict) else "resource"
    return FhirPathError("execution", f"This {name} is not shaped as R4 defines it; validate it to see where")


def _no_engine(node: Any, type_name: str) -> Any:
    raise NotStatic
