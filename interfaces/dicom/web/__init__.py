"""DICOMweb (PS3.18) as one ASGI application, and the page."""
