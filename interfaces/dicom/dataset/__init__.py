"""DICOM data sets as bytes: validated, read and turned to the JSON model without a heavy library."""
