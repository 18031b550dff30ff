"""Signing in with an account of an outside OpenID provider: there and back."""

from __future__ import annotations

from fhir_server.core.errors import FhirError
from fhir_server.rest.auditing import noted
from fhir_server.rest.authorization.exchange import Exchange, see
from fhir_server.rest.authorization.sessions import go_on, sign_in_page
from fhir_server.rest.encode import Answer

COOKIE = "hms_outside"
SECONDS = 600
LONGEST = 3500  # characters of a cookie that every browser keeps


async def begin(exchange: Exchange) -> Answer:
    """GET /auth/outside?provider=: sends the browser to the provider; the rest of the query is what comes after."""
    fields = {name: value for name, value in exchange.form.items() if name != "provider"}
    try:
        provider = exchange.security.provider_named(exchange.form.get("provider", ""))
        url, pending = await provider.begin(_back(exchange), fields)
    except FhirError as problem:
        return sign_in_page(exchange, fields, str(problem), status=problem.status)
    packed = pending.packed()
    if len(packed) > LONGEST:
        return sign_in_page(exchange, {}, "The application asks for too much at once.", status=400)
    return see(url, exchange.set_cookie(COOKIE, packed, SECONDS))


async def finish(exchange: Exchange) -> Answer:
    """GET /auth/outside/callback: the browser is back, with a code or a refusal."""
    from fhir_server.security.openid.provider import unpacked

    pending = unpacked(exchange.cookie(COOKIE))
    if pending is None:
        return sign_in_page(exchange, {}, "This sign-in was not begun in this browser; please begin again.", status=400)
    gone = exchange.set_cookie(COOKIE, "", 0)
    try:
        provider = exchange.security.provider_named(pending.provider)
        user = await provider.finish(pending, exchange.form, _back(exchange), exchange.base)
        user = await exchange.security.put_outside_user(user)
    except FhirError as problem:
        await noted(exchange, "login", problem.status, pending.provider)
        answer = sign_in_page(exchange, pending.fields, str(problem), status=problem.status)
        answer.headers.append(gone)
        return answer
    agent = exchange.headers.get("user-agent", "")
    secret, _ = await exchange.security.begin_session(user, exchange.address, agent, ("outside",), exchange.browser)
    await noted(exchange, "login", 200, user.id)
    answer = go_on(exchange, pending.fields, secret)
    answer.headers.append(gone)
    return answer


def _back(exchange: Exchange) -> str:
    return f"{exchange.issuer}/auth/outside/callback"
