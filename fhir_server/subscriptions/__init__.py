"""Subscriptions: what is stored and matches is told to whoever asked for it (https://hl7.org/fhir/R4/subscription.html)."""
