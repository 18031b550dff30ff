"""Interfaces to other standards (HL7 v2, DICOM, X12), one package each."""
