"""Who may do what, and what is kept of it: accounts, tokens, scopes, policies, audit, encryption, de-identification.

Here is no interaction and no route: `interactions/access` asks this, `rest/authorization` has the pages and endpoints.
"""
