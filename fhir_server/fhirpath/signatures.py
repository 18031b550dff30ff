"""What the specification says of functions' input and result types, as tables."""

from __future__ import annotations


def _each(names: str, value: str | bool | frozenset[str]) -> dict:
    return dict.fromkeys(names.split(), value)


_STRING = frozenset({"System.String"})
_NUMBER = frozenset({"System.Integer", "System.Long", "System.Decimal", "System.Quantity"})
_PRECISE = frozenset({"System.Date", "System.DateTime", "System.Time"}) | _NUMBER

# function -> the types that its input converts to; others take anything
INPUTS: dict[str, frozenset[str]] = {
    **_each("indexOf lastIndexOf substring startsWith endsWith contains upper lower replace", _STRING),
    **_each("matches matchesFull replaceMatches length toChars trim split join", _STRING),
    **_each("encode decode escape unescape", _STRING),
    **_each("abs ceiling exp floor ln log power round sqrt truncate", _NUMBER),
    **_each("lowBoundary highBoundary precision", _PRECISE),
}

# functions whose result is made of items of the input -> whether it can be several
KEEPS_INPUT: dict[str, bool] = {
    **_each("where distinct tail skip take intersect exclude sort slice", True),
    **_each("trace defineVariable checkModifiers", True),
    **_each("single first last", False),
}

# function -> the type of its result
RESULTS: dict[str, str] = {
    **_each("empty exists all allTrue anyTrue allFalse anyFalse subsetOf supersetOf isDistinct not", "System.Boolean"),
    **_each("hasValue htmlChecks conformsTo memberOf subsumes subsumedBy comparable", "System.Boolean"),
    **_each("startsWith endsWith contains matches matchesFull toBoolean", "System.Boolean"),
    **_each("convertsToBoolean convertsToInteger convertsToLong convertsToDecimal", "System.Boolean"),
    **_each("convertsToQuantity convertsToString convertsToDate convertsToDateTime", "System.Boolean"),
    **_each("convertsToTime", "System.Boolean"),
    **_each("count toInteger indexOf lastIndexOf length precision duration difference", "System.Integer"),
    **_each("yearOf monthOf dayOf hourOf minuteOf secondOf millisecondOf", "System.Integer"),
    **_each("toString substring upper lower replace replaceMatches encode decode", "System.String"),
    **_each("getResourceKey", "System.String"),
    **_each("escape unescape trim join toChars split pathname", "System.String"),
    **_each("toDecimal exp ln log sqrt timezoneOffsetOf", "System.Decimal"),
    **_each("toDate dateOf today", "System.Date"),
    **_each("toDateTime now", "System.DateTime"),
    **_each("toTime timeOf timeOfDay", "System.Time"),
    "toLong": "System.Long",
    "toQuantity": "System.Quantity",
    "type": "System.TypeInfo",
    "elementDefinition": "ElementDefinition",
}
# those of them that yield several items
SEVERAL = frozenset({"split", "toChars", "pathname", "type", "elementDefinition"})

# functions whose result has no order, and those that need one
UNORDERED = frozenset({"children", "descendants"})
ORDERED = frozenset({"first", "last", "tail", "skip", "take"})
