"""Expressions to closures: the whole language, with the place of every item, whatever the definitions settle.

items.py is what collections hold, frame.py what an evaluation carries along, compile.py turns a syntax tree into
closures frame -> list of items, functions/ holds FHIRPath's functions by section of the specification.
"""
