"""Regular expressions that can't explode: matched in time proportional to the text, whatever the pattern.

There is no backtracking, so there are no back references and no look-around. A pattern matches the whole text, as in
FHIR's filters. Of the syntax there is: literals, `.`, classes, `\\d \\D \\w \\W \\s \\S`, groups, `|`,
`* + ? {n} {n,} {n,m}`, and `^` and `$` at the ends.
"""

from terminology.regex.automaton import Pattern, compiled

__all__ = ["Pattern", "compiled"]
