"""$verify-audit: whether the audit log is as it was written."""

from fhir_server.interactions.audit import verify_audit
from fhir_server.interactions.operation import OperationHandler

HANDLERS = (OperationHandler("verify-audit", verify_audit, system=True, parameters=("head",)),)
