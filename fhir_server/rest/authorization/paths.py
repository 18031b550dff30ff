"""What the authorization server answers."""

SMART = "/fhir/.well-known/smart-configuration"
PATHS = (
    SMART,
    "/.well-known/smart-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/auth/jwks",
    "/auth/token",
    "/auth/introspect",
    "/auth/revoke",
    "/auth/register",
    "/auth/userinfo",
    "/auth/authorize",
    "/auth/sign-in",
    "/auth/decide",
    "/auth/account",
    "/auth/end",
    "/auth/sign-out",
    "/auth/session",
    "/auth/outside",
    "/auth/outside/callback",
)
