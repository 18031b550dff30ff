"""SNOMED CT: the Expression Constraint Language, implicit value sets, and what they need of the store."""
