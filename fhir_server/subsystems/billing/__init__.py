"""Billing: from what was done to charges, claims, payments and a balanced journal (docs/how-to/billing.md)."""
