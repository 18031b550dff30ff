"""Tokens to a syntax tree, by precedence climbing over one table (https://hl7.org/fhirpath/#operator-precedence)."""

from __future__ import annotations

import functools
from decimal import Decimal

from fhir_server.fhirpath.ast import (
    Binary,
    Call,
    Empty,
    Indexer,
    IndexVariable,
    Literal,
    Member,
    Node,
    Polarity,
    This,
    Total,
    TypeOperation,
    Variable,
)
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.lexer import Token, tokenize
from fhir_server.fhirpath.numbers import MAX_INTEGER
from fhir_server.fhirpath.quantity import CALENDAR_UNITS, Quantity, quantity

MAX_DEPTH = 60
MAX_CHAIN = 150

# operator -> how tightly it binds; the higher the tighter
PRECEDENCE = {
    "implies": 1,
    "or": 2, "xor": 2,
    "and": 3,
    "in": 4, "contains": 4,
    "=": 5, "~": 5, "!=": 5, "!~": 5,
    "<": 6, "<=": 6, ">": 6, ">=": 6,
    "|": 7,
    "is": 8, "as": 8,
    "+": 9, "-": 9, "&": 9,
    "*": 10, "/": 10, "div": 10, "mod": 10,
}  # fmt: skip
POLARITY = 11

_DOLLAR = {"$this": This, "$index": IndexVariable, "$total": Total}
_RESERVED = frozenset({"and", "or", "xor", "implies", "div", "mod"})


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.negative = -1  # where the token is that a minus stands before

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def is_symbol(self, symbol: str) -> bool:
        token = self.tokens[self.at]
        return token.kind == "symbol" and token.value == symbol

    def expect(self, symbol: str) -> None:
        if not self.is_symbol(symbol):
            raise self.unexpected(f"`{symbol}`")
        self.at += 1

    def unexpected(self, wanted: str) -> FhirPathError:
        token = self.token
        found = "the expression ends" if token.kind == "end" else f"there is `{token.value}`"
        return FhirPathError("syntax", f"Expected {wanted}, but {found}", token.position)

    def expression(self, minimum: int = 1) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FhirPathError("limit", f"The expression is nested deeper than {MAX_DEPTH}", self.token.position)
        left = self.operand()
        chain = 0
        while True:
            token = self.token
            operator = token.value if token.kind in ("word", "symbol") else ""
            precedence = PRECEDENCE.get(operator, 0)
            if precedence < minimum or not precedence:
                break
            chain += 1
            if chain > MAX_CHAIN:
                raise FhirPathError("limit", f"More than {MAX_CHAIN} operators in a row", token.position)
            self.at += 1
            if operator in ("is", "as"):
                left = TypeOperation(operator, left, self.type_specifier(), token.position)
            else:
                left = Binary(operator, left, self.expression(precedence + 1), token.position)
        self.depth -= 1
        return left

    def operand(self) -> Node:
        token = self.token
        if token.kind == "symbol" and token.value in "+-":
            self.at += 1
            self.negative = self.at if token.value == "-" else -1
            return Polarity(token.value, self.expression(POLARITY), token.position)
        return self.invocations(self.term())

    def invocations(self, node: Node) -> Node:
        for _ in range(MAX_CHAIN):
            if self.is_symbol("."):
                self.at += 1
                node = self.invocation(node)
            elif self.is_symbol("["):
                position = self.take().position
                index = self.expression()
                self.expect("]")
                node = Indexer(node, index, position)
            else:
                return node
        raise FhirPathError("limit", f"More than {MAX_CHAIN} steps in a row", self.token.position)

    def invocation(self, source: Node | None) -> Node:
        token = self.token
        if token.kind == "dollar" and source is not None and token.value in _DOLLAR:
            raise FhirPathError("syntax", f"`{token.value}` can't follow a dot", token.position)
        if token.kind not in ("word", "delimited"):
            raise self.unexpected("a name")
        self.at += 1
        if self.is_symbol("("):
            self.at += 1
            return Call(source, token.value, self.arguments(sort=token.value == "sort"), token.position)
        return Member(source, token.value, token.position)

    def arguments(self, sort: bool) -> tuple[Node, ...]:
        if self.is_symbol(")"):
            self.at += 1
            return ()
        arguments = [self.argument(sort)]
        while self.is_symbol(","):
            self.at += 1
            arguments.append(self.argument(sort))
        self.expect(")")
        return tuple(arguments)

    def argument(self, sort: bool) -> Node:
        node = self.expression()
        token = self.token
        if sort and token.kind == "word" and token.value in ("asc", "desc"):
            self.at += 1
            return Polarity(token.value, node, token.position)
        return node

    def term(self) -> Node:
        token = self.token
        position = token.position
        if token.kind == "literal":
            self.at += 1
            return Literal(token.value, position)
        if token.kind == "number":
            self.at += 1
            return Literal(self.number(token.value), position)
        if token.kind == "external":
            self.at += 1
            return Variable(token.value, position)
        if token.kind == "dollar":
            self.at += 1
            if token.value not in _DOLLAR:
                raise FhirPathError("syntax", f"There is no `{token.value}`: $this, $index or $total", position)
            return _DOLLAR[token.value](position)
        if token.kind == "symbol" and token.value == "(":
            self.at += 1
            node = self.expression()
            self.expect(")")
            return node
        if token.kind == "symbol" and token.value == "{":
            self.at += 1
            self.expect("}")
            return Empty(position)
        if token.kind == "word" and token.value in ("true", "false"):
            self.at += 1
            return Literal(token.value == "true", position)
        if token.kind == "delimited" or (token.kind == "word" and token.value not in _RESERVED):
            return self.invocation(None)
        raise self.unexpected("a value or a path")

    def number(self, value: int | Decimal) -> int | Decimal | Quantity:
        token = self.token
        if token.kind == "word" and token.value in CALENDAR_UNITS:
            self.at += 1
            return Quantity(Decimal(value), token.value)
        if token.kind == "literal" and isinstance(token.value, str):
            self.at += 1
            return quantity(value, token.value)
        lowest = self.negative == self.at - 1 and value == MAX_INTEGER + 1
        if isinstance(value, int) and value > MAX_INTEGER and not lowest:
            message = f"`{value}` is too large for an Integer; write {value}L or {value}.0"
            raise FhirPathError("syntax", message, self.tokens[self.at - 1].position)
        return value

    def type_specifier(self) -> str:
        token = self.take()
        if token.kind not in ("word", "delimited"):
            self.at -= 1
            raise self.unexpected("the name of a type")
        name = token.value
        if self.is_symbol(".") and name in ("FHIR", "System"):
            self.at += 1
            name = f"{name}.{self.take().value}"
        return name


@functools.lru_cache(maxsize=4096)
def parse(expression: str) -> Node:
    """The syntax tree of an expression; kept for the texts that were used last. Raises FhirPathError, kind syntax."""
    try:
        parser = _Parser(tokenize(expression))
        node = parser.expression()
        if parser.token.kind != "end":
            raise parser.unexpected("an operator or the end")
        return node
    except FhirPathError as failure:
        raise failure.located(expression) from None
    except RecursionError:
        raise FhirPathError("limit", "The expression is nested too deep").located(expression) from None
