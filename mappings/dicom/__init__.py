"""DICOM attributes to FHIR resources and back: tables, and one small engine over them (engine.py)."""
