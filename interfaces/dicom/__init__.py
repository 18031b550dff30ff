"""DICOM: an archive, its network services, DICOMweb, and what becomes of studies in FHIR (docs/how-to/dicom.md)."""
