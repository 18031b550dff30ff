"""A user's authenticator app: set up with the code that it shows, with recovery codes for the day that it is lost."""

from __future__ import annotations

import re
import secrets

import msgspec

from fhir_server.core.errors import error
from fhir_server.security import totp
from fhir_server.security.model import User
from fhir_server.security.store import AccountStore, digest

RECOVERY_CODES = 10
FOR_EVER = 2**62
_SECRET = re.compile(r"[A-Z2-7]{32}\Z")


async def set_up(store: AccountStore, user: User, secret: str, code: str) -> tuple[User, list[str]]:
    """The user with the app's secret, and recovery codes to be shown once; FhirError "value" for a wrong code."""
    step = totp.step_of(secret, code, store.clock()) if _SECRET.match(secret) else None
    if step is None or not await _used_first(store, user, step):
        raise error("value", "That is not the code that the app shows now; look whether its clock is right.")
    codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]
    changes = {"totp": secret, "recovery": tuple(map(digest, codes))}
    return await store.change_user(user.id, lambda kept: msgspec.structs.replace(kept, **changes)), codes


async def take_away(store: AccountStore, user: User, code: str) -> None:
    """Ends the second factor of whoever shows it once more; FhirError "value" for a wrong code."""
    if not await accepted(store, user, code):
        raise error("value", "The code is wrong.")
    await store.change_user(user.id, lambda kept: msgspec.structs.replace(kept, totp="", recovery=()))


async def accepted(store: AccountStore, user: User, code: str) -> bool:
    """Whether it is a code of the user's app, or a recovery code; each counts once, in every worker."""
    step = totp.step_of(user.totp, code, store.clock())
    if step is not None:
        return await _used_first(store, user, step)
    kept = digest(code.strip().lower())
    return kept in user.recovery and await store.first_use(f"recovery:{user.id}", kept, FOR_EVER)


async def _used_first(store: AccountStore, user: User, step: int) -> bool:
    """Whether no code of this step was shown before (RFC 6238 section 5.2)."""
    return await store.first_use(f"totp:{user.id}", str(step), store.clock() + 3 * totp.STEP)
