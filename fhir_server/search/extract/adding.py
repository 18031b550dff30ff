"""What every converter is given to hand its search values to: the append of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.core.values import SearchValue

Add = Callable[[SearchValue], None]
Convert = Callable[[Add, str, Any], None]  # add, field, the value of one element
