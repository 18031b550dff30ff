"""Code systems that are a grammar: their codes are composed, not listed."""

from terminology.grammars.base import Grammar
from terminology.grammars.bcp47 import Bcp47
from terminology.grammars.mime import MediaTypes
from terminology.grammars.ucum import Ucum
from terminology.grammars.uri import Uris

__all__ = ["Bcp47", "Grammar", "MediaTypes", "Ucum", "Uris"]
