"""Outside OpenID providers: their access tokens are believed, and people sign in with their accounts there."""
