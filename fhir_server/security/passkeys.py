"""Passkeys (https://www.w3.org/TR/webauthn-3/): kept by a person's own devices, and good for one site only.

A challenge is kept until it is answered, once and in time. A sign-in takes user verification (a finger, a face, a PIN),
so that it counts as two factors.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fhir_server.core.errors import error
from fhir_server.security.model import User
from fhir_server.security.store import AccountStore

KIND = "passkey"
LIFE = 300_000_000  # microseconds that a challenge is good for
MOST = 20  # passkeys of one user

Options = dict[str, Any]


class Passkeys:
    """Those of one server's users. issuer: the URL that they are for."""

    def __init__(self, store: AccountStore, issuer: str, name: str) -> None:
        parts = urlsplit(issuer)
        self._store = store
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._site = parts.hostname or ""
        self._name = name

    async def offer(self, user: User) -> Options:
        """What a browser needs to make a passkey for a user."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        made = generate_registration_options(
            rp_id=self._site,
            rp_name=self._name,
            user_id=user.id.encode(),
            user_name=user.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=_bytes(each["id"])) for each in user.passkeys],
        )
        await self._remember(made.challenge, user.id)
        return json.loads(options_to_json(made))

    async def add(self, user: User, credential: Any, name: str) -> User:
        """The user with the passkey that a browser has made, kept; FhirError "value" where it can't be believed."""
        from webauthn import verify_registration_response

        challenge = await self._challenge(credential, user.id)
        try:
            found = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._site,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except Exception as problem:
            raise _refused() from problem
        made = {
            "id": _text(found.credential_id), "key": _text(found.credential_public_key), "count": found.sign_count,
            "name": name[:60] or "passkey", "added": self._store.clock(),
        }  # fmt: skip

        def added(user: User) -> User:
            if len(user.passkeys) >= MOST:
                raise error("value", f"{MOST} passkeys are enough; remove one first.")
            return msgspec.structs.replace(user, passkeys=(*user.passkeys, made))

        return await self._store.change_user(user.id, added)

    async def ask(self) -> Options:
        """What a browser needs to show a passkey, whosever it is."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        made = generate_authentication_options(rp_id=self._site, user_verification=UserVerificationRequirement.REQUIRED)
        await self._remember(made.challenge, "")
        return json.loads(options_to_json(made))

    async def recognised(self, credential: Any) -> User:
        """Whose passkey was shown; FhirError "login". A device that counts must have counted on."""
        from webauthn import verify_authentication_response

        challenge = await self._challenge(credential, "")
        user = await self._store.user(_handle(credential))
        kept = next((each for each in user.passkeys if each["id"] == credential.get("id")), None) if user else None
        if user is None or kept is None or not user.active:
            raise _unknown()
        try:
            found = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._site,
                expected_origin=self._origin,
                credential_public_key=_bytes(kept["key"]),
                credential_current_sign_count=kept["count"],
                require_user_verification=True,
            )
        except Exception as problem:
            raise error("login", "This passkey is not accepted.") from problem

        def counted(user: User) -> User:
            if kept not in user.passkeys or not user.active:
                raise _unknown()
            now = {**kept, "count": found.new_sign_count}
            passkeys = tuple(now if each == kept else each for each in user.passkeys)
            return msgspec.structs.replace(user, passkeys=passkeys)

        return await self._store.change_user(user.id, counted)

    async def _remember(self, challenge: bytes, user: str) -> None:
        await self._store.put_pending(KIND, _text(challenge), {"user": user}, self._store.clock() + LIFE)

    async def _challenge(self, credential: Any, user: str) -> bytes:
        """The challenge that a credential answers, the first time and for this user ("" for a sign-in).

        Never one that was made or shown within another site's page.
        """
        try:
            said = msgspec.json.decode(_bytes(credential["response"]["clientDataJSON"]))
            challenge, framed = str(said["challenge"]), said.get("crossOrigin", False)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            raise _refused() from None
        if framed:
            raise _refused()
        kept = await self._store.take_pending(KIND, challenge)
        if kept is None or kept["user"] != user:
            raise error("value", "That took too long; please try again.")
        return _bytes(challenge)


def _unknown() -> Exception:
    return error("login", "This passkey is not known here.")


def _refused() -> Exception:
    return error("value", "The browser's answer can't be used; please try again.")


def _handle(credential: Any) -> str:
    try:
        return _bytes(credential["response"]["userHandle"]).decode()
    except (KeyError, TypeError, ValueError):
        return ""


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
