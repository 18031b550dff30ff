"""batch and transaction: a Bundle's entries read, planned and performed (https://hl7.org/fhir/R4/http.html#transaction)."""
