"""What a caller may see and do: scopes, policies, Consents and contexts, as part of the typed query."""
