"""FHIR changes as messages to destinations: subscriptions, queues, and the sending with its acknowledgements."""
