"""Who may do what: users, clients, SMART scopes, tokens. It knows no HTTP and no resources."""
