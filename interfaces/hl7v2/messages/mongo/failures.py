"""MongoDB's failures as errors that say what to do."""

from __future__ import annotations

import functools

from fhir_server.core.mongodb import answering

told = functools.partial(answering, "The message store")
