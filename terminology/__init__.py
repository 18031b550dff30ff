"""Code systems, value sets and concept maps: the terminology service, its operations, its store and its loaders.

service = Terminology(data_folder / FILE_NAME)
service.member_of(value_set, system, code)      True, False, or None where it can't be said
operations(service)["ValueSet", "expand"](parameters, None)
"""

from terminology.operations import operations, parameter_names, terminology_capabilities
from terminology.service import Terminology
from terminology.store.store import FILE_NAME

__all__ = ["FILE_NAME", "Terminology", "operations", "parameter_names", "terminology_capabilities"]
