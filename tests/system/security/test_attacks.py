"""Ways around that are closed."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhir_server.security.client_keys import ClientKeys
from fhir_server.security.model import Client
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, ORIGIN, PASSWORD, REDIRECT, Browser, told
from tests.system.security.provider import providing
from tests.unit.security.outgoing.test_requests import answering

pytestmark = pytest.mark.anyio


def segment(content: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def wait(browser: Browser, microseconds: int) -> None:
    clock: Any = browser.fhir.server.environment.clock
    clock.now += microseconds


async def status(browser: Browser, token: str) -> int:
    headers: Any = {"authorization": f"Bearer {token}".encode()}
    return (await browser.http.get("/fhir/Patient/me", headers=headers)).status_code


async def test_forged_tokens(browser: Browser) -> None:
    good = (await browser.granted("user/Patient.rs"))["access_token"]
    assert await status(browser, good) == 200
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    published = (await browser.http.get("/auth/jwks")).content
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    none = f"{segment({**header, 'alg': 'none'})}.{body}."
    confused = f"{segment({**header, 'alg': 'HS256'})}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(published, confused.encode(), "sha256")).rstrip(b"=").decode()
    other = ECKey.generate_key("P-384")
    strange = jwt.encode({**header, "jwk": other.as_dict(private=False)}, claims, other, algorithms=["ES384"])
    unknown = jwt.encode({**header, "kid": "../../x"}, claims, other, algorithms=["ES384"])
    wider = f"{head}.{segment({**claims, 'scope': 'system/*.cruds'})}.{signature}"
    forged = [none, f"{confused}.{mac}", strange, unknown, wider, good[:-4], "x", "a.b.c", "é", good + "A" * 20_000]
    for token in forged:
        assert await status(browser, token) == 401, token[:40]


async def test_of_two_authorizations_neither_counts(browser: Browser) -> None:
    good = ("authorization", f"Bearer {(await browser.granted('openid user/Patient.rs'))['access_token']}")
    client = Client(id="conf", name="C", scopes="system/*.rs", grants=("client_credentials",))
    _, secret = await browser.fhir.server.security.add_client(client, confidential=True)
    basic = ("authorization", "Basic " + base64.b64encode(f"conf:{secret}".encode()).decode())
    form, http = {"grant_type": "client_credentials", "scope": "system/*.rs"}, browser.http
    for lines, status in (([good], 200), ([good, good], 401), ([("authorization", ""), good], 401)):
        for path in ("/fhir/Patient/me", "/auth/userinfo"):
            assert (await http.get(path, headers=lines)).status_code == status, (path, lines)
    for lines, status in (([basic], 200), ([basic, basic], 401), ([good, basic], 401)):
        assert (await http.post("/auth/token", data=form, headers=lines)).status_code == status, lines


async def test_tokens_that_this_server_signed_for_something_else(browser: Browser) -> None:
    security = browser.fhir.server.security
    token = await browser.granted("openid user/Patient.rs")
    assert await status(browser, token["id_token"]) == 401
    from fhir_server.security.model import Grant

    await security.store.begin_family("f", "u", "app", "user/*.rs")
    grant = Grant(family="f", client="app", scope="user/*.rs", user="u")
    assert await status(browser, await security.tokens.access_token(grant, ORIGIN, "https://other.test/fhir")) == 401
    assert await status(browser, await security.tokens.access_token(grant, "https://other.test", BASE)) == 401
    never_begun = Grant(family="none", client="app", scope="user/*.rs", user="u")
    assert await status(browser, await security.tokens.access_token(never_begun, ORIGIN, BASE)) == 401


async def test_an_expired_token(browser: Browser) -> None:
    token = (await browser.granted("user/Patient.rs"))["access_token"]
    wait(browser, 3_700_000_000)
    assert await status(browser, token) == 401


async def test_a_code_is_good_once_and_using_it_again_ends_its_tokens(browser: Browser) -> None:
    code = (await browser.allow(await browser.sign_in(await browser.authorize("user/Patient.rs"))))["code"]
    token = (await browser.token(code)).json()["access_token"]
    assert await status(browser, token) == 200
    assert (await browser.token(code)).json()["error"] == "invalid_grant"
    assert await status(browser, token) == 401


@pytest.mark.parametrize(
    "more",
    [
        {"code_verifier": "A" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "https://evil.test/"},
        {"client_id": "other"},
    ],
)
async def test_a_stolen_code_is_worth_nothing(browser: Browser, more: dict[str, str]) -> None:
    other = Client(id="other", name="Other", redirect_uris=(REDIRECT,), scopes="user/*.rs")
    await browser.fhir.server.security.add_client(other, confidential=False)
    code = (await browser.allow(await browser.sign_in(await browser.authorize("user/Patient.rs"))))["code"]
    assert (await browser.token(code, **more)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.test/callback",
        "https://app.test/callback/",
        "https://app.test/callback?x=1",
        "https://app.test/callback#x",
        "https://app.test:443/callback",
        "https://app.test/callback%2f..",
        "HTTPS://APP.TEST/callback",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_uri_that_is_not_registered_is_never_gone_to(browser: Browser, uri: str) -> None:
    answer = await browser.authorize("user/*.rs", redirect_uri=uri)
    assert answer.status_code == 400 and "location" not in answer.headers


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"aud": "https://evil.test/fhir"}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"launch": "guessed"}, "invalid_request"),
        ({"request_uri": "http://169.254.169.254/"}, "request_uri_not_supported"),
    ],
)
async def test_requests_that_are_not_safe_are_refused(browser: Browser, more: dict[str, str], error: str) -> None:
    assert told(await browser.authorize("user/*.rs", **more))["error"] == error


async def test_a_parameter_twice_is_refused(browser: Browser) -> None:
    pairs: Any = [*browser.request("user/*.rs").items(), ("redirect_uri", "https://evil.test/")]
    answer = await browser.http.get("/auth/authorize", params=pairs)
    assert answer.status_code == 400 and "location" not in answer.headers


async def test_forms_of_another_site_do_nothing(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("user/*.rs"))
    assert "asks for access" in page.text
    forged = {
        **browser.request("user/*.rs"),
        "scope": "user/*.rs",
        "asked_scope": "user/*.rs",
        "decision": "allow",
        "form": "x",
    }
    answer = await browser.http.post("/auth/decide", data=forged)
    assert REDIRECT not in answer.headers["location"].partition("?")[0]
    strange = {"name": "doc", "password": PASSWORD, "form": "x"}
    assert (await browser.http.post("/auth/sign-in", data=strange)).status_code == 400


async def test_a_refresh_never_widens(browser: Browser) -> None:
    token = await browser.granted("offline_access user/Patient.rs")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": "app"}
    wider = await browser.http.post("/auth/token", data={**form, "scope": "user/*.cruds"})
    assert wider.json()["error"] == "invalid_scope"
    narrower = await browser.http.post("/auth/token", data={**form, "scope": "user/Patient.r"})
    assert narrower.json()["scope"] == "user/Patient.r"


async def test_a_client_gets_no_more_than_it_is_allowed(browser: Browser) -> None:
    narrow = Client(id="narrow", name="Narrow", redirect_uris=(REDIRECT,), scopes="user/Observation.rs")
    await browser.fhir.server.security.add_client(narrow, confidential=False)
    browser.client_id = "narrow"
    token = await browser.granted("user/*.cruds offline_access system/*.rs")
    assert token["scope"] == "user/Observation.rs" and "refresh_token" not in token
    assert told(await browser.authorize("system/*.rs"))["error"] == "invalid_scope"


async def test_an_unknown_name_and_a_wrong_password_read_the_same(browser: Browser) -> None:
    page = await browser.authorize("user/*.rs")
    answers = [await browser.sign_in(page, name, "wrong password 123") for name in ("doc", "nobody")]
    assert answers[0].status_code == answers[1].status_code == 401
    assert "The name, the password or the code is wrong." in answers[1].text


async def test_pages_show_what_they_are_given_as_text_and_can_not_be_framed(browser: Browser) -> None:
    evil = Client(id="evil", name="<script>alert(1)</script>", redirect_uris=(REDIRECT,), scopes="user/*.rs")
    await browser.fhir.server.security.add_client(evil, confidential=False)
    browser.client_id = "evil"
    page = await browser.authorize("user/*.rs", state='"><script>')
    assert "<script>" not in page.text
    assert (
        page.headers["x-frame-options"] == "DENY"
        and "frame-ancestors 'none'" in page.headers["content-security-policy"]
    )


@pytest.mark.parametrize(
    "launch",
    [
        {"client": "app", "patient": "other"},
        {"client": "app", "patient": "me", "user": "u-doc"},
        {"client": "another", "patient": "me"},
        {"client": "app", "patient": "nobody"},
    ],
)
async def test_a_launch_of_another_user_patient_or_app_is_not_agreed_to_either(
    browser: Browser, launch: dict[str, Any]
) -> None:
    """The consent page is not shown for it; whoever sends its form all the same gets no code."""
    id = await browser.fhir.server.security.launch(launch)
    scope = "launch launch/patient patient/*.rs"
    consent = await browser.sign_in(await browser.authorize(scope), "ada")
    answer = await browser.submit(consent, "/auth/decide", decision="allow", launch=id)
    assert told(answer)["error"] == "access_denied"
    shown = await browser.authorize(scope, launch=id)
    assert shown.status_code == 303 or "/auth/decide" not in shown.text


class Service:
    """A backend service with a key (https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html)."""

    def __init__(self, fhir: Fhir, algorithm: str = "ES384", *, resource_server: bool = False) -> None:
        self.resource_server = resource_server
        kind = (
            ECKey.generate_key("P-384", auto_kid=True)
            if algorithm == "ES384"
            else RSAKey.generate_key(2048, auto_kid=True)
        )
        self.key, self.algorithm, self.fhir = kind, algorithm, fhir

    async def registered(self) -> "Service":
        jwks = {"keys": [dict(self.key.as_dict(private=False))]}
        client = Client(
            id="service", name="S", jwks=jwks, scopes="system/*.rs", grants=("client_credentials",),
            resource_server=self.resource_server,
        )  # fmt: skip
        await self.fhir.server.security.add_client(client, confidential=False)
        return self

    def assertion(self, header: dict | None = None, **claims) -> str:
        now = self.fhir.server.environment.clock() // 1_000_000
        said = {
            "iss": "service",
            "sub": "service",
            "aud": f"{ORIGIN}/auth/token",
            "exp": now + 200,
            "jti": str(time.time_ns()),
        }
        head = {"alg": self.algorithm, "kid": self.key.kid, **(header or {})}
        content = {name: value for name, value in {**said, **claims}.items() if value is not None}
        return jwt.encode(head, content, self.key, algorithms=[self.algorithm])

    async def token(self, assertion: str, scope: str = "system/Patient.rs"):
        form = {
            "grant_type": "client_credentials", "scope": scope, "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }  # fmt: skip
        return await self.fhir.http.post(f"{ORIGIN}/auth/token", data=form)


async def test_a_service_is_told_of_criteria_that_mean_nothing_before_it_has_a_token(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    scope = "system/Patient.rs system/Observation.rs?categry=vital-signs"
    answer = await service.token(service.assertion(), scope)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_scope", answer.text
    assert "'category'?" in answer.json()["error_description"]


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
async def test_a_backend_service_gets_a_token_once_for_each_assertion(hospital: Fhir, algorithm: str) -> None:
    service = await Service(hospital, algorithm).registered()
    assertion = service.assertion()
    token = (await service.token(assertion)).json()
    assert token["scope"] == "system/Patient.rs" and "refresh_token" not in token
    answer = await hospital.get("Patient?_summary=count", authorization=f"Bearer {token['access_token']}")
    assert answer.json()["total"] == 2
    assert (await service.token(assertion)).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://evil.test/token"},
        {"sub": "other"},
        {"exp": 1},
        {"exp": 99_999_999_999},
        {"exp": "soon"},
        {"exp": 1.5},
        {"exp": 99_999_999_999.5},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"jti": None},
        {"nbf": 99_999_999_999},
        {"nbf": 99_999_999_999.5},
        {"iss": "nobody"},
    ],
)
async def test_assertions_that_do_not_hold(hospital: Fhir, claims: dict) -> None:
    service = await Service(hospital).registered()
    answer = await service.token(service.assertion(**claims))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_the_times_of_an_assertion_may_have_fractions(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    now = hospital.server.environment.clock() / 1_000_000
    answer = await service.token(service.assertion(exp=now + 200.25, iat=now - 0.5, nbf=now - 0.5))
    assert answer.status_code == 200, answer.text


async def test_assertions_by_other_keys_and_algorithms(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    good = service.assertion()
    pointing = service.assertion(header={"jku": "http://169.254.169.254/keys"})
    body = good.split(".")[1]
    secret = OctKey.import_key(json.dumps(service.key.as_dict(private=False)))
    service.key, kept = ECKey.generate_key("P-384", auto_kid=True), service.key
    forged = [pointing, service.assertion(), f"{segment({'alg': 'none'})}.{body}.", "x.y.z", "", "x" * 100_000]
    forged.append(jwt.encode({"alg": "HS256"}, json.loads(base64.urlsafe_b64decode(body + "==")), secret))
    for assertion in forged:
        assert (await service.token(assertion)).status_code in (401, 429)
    service.key = kept
    assert (await service.token(good)).status_code in (200, 429)


async def test_a_secret_is_compared_and_revoked_tokens_end(hospital: Fhir) -> None:
    client = Client(id="conf", name="C", scopes="system/*.rs", grants=("client_credentials",))
    _, secret = await hospital.server.security.add_client(client, confidential=True)
    url = f"{ORIGIN}/auth"
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}
    wrong = await hospital.http.post(f"{url}/token", data=form, auth=("conf", "no"))
    assert wrong.status_code == 401 and "basic" in wrong.headers["www-authenticate"].lower()
    token = (await hospital.http.post(f"{url}/token", data=form, auth=("conf", secret))).json()["access_token"]
    asked = {"token": token}
    said = (await hospital.http.post(f"{url}/introspect", data=asked, auth=("conf", secret))).json()
    assert said["active"] and said["scope"] == "system/Patient.rs" and said["aud"] == BASE
    await hospital.http.post(f"{url}/revoke", data=asked, auth=("conf", secret))
    said = (await hospital.http.post(f"{url}/introspect", data=asked, auth=("conf", secret))).json()
    assert said == {"active": False}
    answer = await hospital.get("Patient/me", authorization=f"Bearer {token}")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/keys",
        "http://1.1.1.1/keys",
        "https://169.254.169.254/",
        "https://localhost/",
        "https://[",
        "file:///etc/passwd",
    ],
)
async def test_a_registered_key_url_must_be_public(browser: Browser, uri: str) -> None:
    metadata = {"redirect_uris": [REDIRECT], "jwks_uri": uri, "token_endpoint_auth_method": "private_key_jwt"}
    assert (await browser.http.post("/auth/register", json=metadata)).json()["error"] == "invalid_client_metadata"
    public = await browser.http.post("/auth/register", json={**metadata, "jwks_uri": "HTTPS://1.1.1.1/keys"})
    assert public.status_code == 201, public.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.2", "2130706433", "localhost", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_keys_are_not_fetched_from_inside_the_network(hospital: Fhir, host: str, scheme: str) -> None:
    """Whatever the URL was when it was registered: the address counts when it is called."""
    with providing() as site:
        service = await Service(hospital).registered()
        site.keys = [service.key]
        url = site.issuer.replace("http://127.0.0.1", f"{scheme}://{host}") + "/keys"
        client = Client(id="by-url", name="U", jwks_uri=url, scopes="system/*.rs", grants=("client_credentials",))
        await hospital.server.security.add_client(client, confidential=False)
        answer = await service.token(service.assertion({"jku": url}, iss="by-url", sub="by-url"))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert not site.asked


@pytest.mark.parametrize("keys", [b"[]", b"{}", b'{"keys": 5}', b'{"keys": [5, null, {}]}', b"[" * 50_000, b"\xff"])
async def test_keys_that_make_no_sense(hospital: Fhir, keys: bytes) -> None:
    hospital.server.security.client_keys = ClientKeys(("127.0.0.1/32",), hospital.server.environment.clock)
    service = await Service(hospital).registered()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(keys), keys)
    async with answering(answer, []) as url:
        client = Client(id="by-url", name="U", jwks_uri=url, scopes="system/*.rs", grants=("client_credentials",))
        await hospital.server.security.add_client(client, confidential=False)
        answered = await service.token(service.assertion(iss="by-url", sub="by-url"))
        assert (answered.status_code, answered.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.test/", "https://app.test/#x", "javascript:alert(1)", "data:text/html,x", "https://[/", "https://",
        "https://user:password@app.test/", "https://app.test/\r\nSet-Cookie: x", "https:\\\\app.test/",
        "http://localhost.evil.test/", "org.app:/x#y", "org.app:/ x", "", "/callback", "app://done", "https://app.test/#",
    ],
)  # fmt: skip
async def test_a_registered_redirect_uri_must_be_safe(browser: Browser, uri: str) -> None:
    answer = await browser.http.post("/auth/register", json={"redirect_uris": [uri]})
    assert answer.json()["error"] == "invalid_redirect_uri"
    launch = {"redirect_uris": ["https://app.test/"], "initiate_login_uri": uri or "x"}
    assert (await browser.http.post("/auth/register", json=launch)).json()["error"] == "invalid_client_metadata"


HALF = "\ud800"  # half of a surrogate pair, which no UTF-8 can say


@pytest.mark.parametrize(
    "metadata",
    [
        {"client_name": HALF}, {"client_name": ""}, {"client_name": None}, {"client_name": ["x"]},
        {"client_name": "Trusted \u202e"}, {"client_name": "a\nb"}, {"contacts": [HALF]},
        {"jwks": {"keys": 5}}, {"jwks": {"keys": ["x"]}}, {"jwks": []},
        {"jwks": {"keys": [{"kty": "RSA"}] * 21}}, {"jwks": {"keys": [{"kty": "RSA", "n": "x" * 70_000}]}},
        {"jwks": {"keys": [{"kty": "EC", "d": "x"}]}}, {"jwks": {"keys": [{"kty": "oct", "k": "x"}]}},
        {"jwks": {"keys": []}, "jwks_uri": "https://93.184.216.34/keys"},
        {"token_endpoint_auth_method": "private_key_jwt"}, {"redirect_uris": [f"{REDIRECT}/{n}" for n in range(21)]},
    ],
)  # fmt: skip
async def test_of_metadata_that_makes_no_sense_no_client_is_made(browser: Browser, metadata: dict[str, Any]) -> None:
    store = browser.fhir.server.security.store
    before = len(await store.clients())
    body = json.dumps({"redirect_uris": [REDIRECT], **metadata})
    answer = await browser.http.post("/auth/register", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, len(await store.clients())) == (400, before), answer.text


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("token", {}), ("token", {"grant_type": ""}), ("token", {"grant_type": "authorization_code"}),
        ("token", {"grant_type": "refresh_token"}), ("revoke", {}),
    ],
)  # fmt: skip
async def test_a_parameter_that_is_missing_is_an_invalid_request(browser: Browser, path: str, form: dict) -> None:
    answer = await browser.http.post(f"/auth/{path}", data={"client_id": "app", **form})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_what_is_secret_is_not_taken_from_a_url(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("user/*.rs"))
    code = (await browser.allow(page))["code"]
    query = {"grant_type": "authorization_code", "client_id": "app", "code": code, "redirect_uri": REDIRECT}
    refused = await browser.http.post("/auth/token", params={**query, "code_verifier": browser.verifier})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await browser.token(code)).status_code == 200


async def test_who_has_to_wait_is_told_how_long(browser: Browser) -> None:
    for _ in range(5):
        await browser.http.post("/auth/token", data={"grant_type": "refresh_token", "client_id": "nobody"})
    answer = await browser.http.post("/auth/token", data={"grant_type": "refresh_token", "client_id": "nobody"})
    assert (answer.status_code, 0 < int(answer.headers["retry-after"]) <= 31) == (429, True)


def basic(client: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


async def test_a_client_that_guesses_holds_up_no_other_behind_its_address(browser: Browser) -> None:
    form, post = {"grant_type": "client_credentials", "scope": "system/*.rs"}, browser.http.post
    client = Client(id="conf", name="C", scopes="system/*.rs", grants=("client_credentials",))
    _, secret = await browser.fhir.server.security.add_client(client, confidential=True)
    good = basic("conf", secret)
    guesses = [await post("/auth/token", data=form, headers=basic("other", "wrong")) for _ in range(6)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 401, 401, 429]
    nameless = [await post("/auth/token", data={"grant_type": "refresh_token"}) for _ in range(6)]
    assert {answer.status_code for answer in nameless} == {401}
    assert (await post("/auth/token", data=form, headers=good)).status_code == 200
    for number in range(39):  # guesses at many clients hold up the address all the same
        assert (await post("/auth/token", data=form, headers=basic(f"c{number}", "x"))).status_code == 401
    assert (await post("/auth/token", data=form, headers=good)).status_code == 429
    wait(browser, 31_000_000)
    assert (await post("/auth/token", data=form, headers=good)).status_code == 200
    await post("/auth/token", data=form, headers=basic("more", "x"))
    assert (await post("/auth/token", data=form, headers=good)).status_code == 429
    wait(browser, 3_600_000_000)
    await post("/auth/token", data=form, headers=basic("more", "x"))
    assert (await post("/auth/token", data=form, headers=good)).status_code == 200


@pytest.mark.parametrize("body", [b"\xff=\xff", b"a" * 300_000, b"%", b"grant_type=" + b"x" * 1000, b"[]", b"{"])
async def test_bodies_that_make_no_sense(browser: Browser, body: bytes) -> None:
    for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain"):
        answer = await browser.http.post("/auth/token", content=body, headers={"content-type": kind})
        assert answer.status_code in (400, 401, 413, 415, 429), answer.text
        assert answer.json()["error"]


async def test_asking_too_often_is_slowed_down_and_ends_with_the_minute(browser: Browser) -> None:
    rate = browser.fhir.server.security.rate
    rate._most = 5
    answers = [await browser.http.post("/auth/token", data={"grant_type": "x", "client_id": "app"}) for _ in range(8)]
    assert [answer.status_code for answer in answers][-1] == 429 and int(answers[-1].headers["retry-after"]) <= 61
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 61_000_000
    assert (await browser.http.post("/auth/token", data={"client_id": "app"})).status_code == 400


async def test_forms_with_letters_that_no_token_has(browser: Browser) -> None:
    page = await browser.authorize("user/*.rs")
    for form in ("é", "\x00", "x" * 5000):
        answer = await browser.http.post("/auth/sign-in", data={"name": "doc", "password": PASSWORD, "form": form})
        assert answer.status_code == 400, form
    assert (await browser.sign_in(page)).status_code == 200


async def test_a_patch_assigns_nothing_that_is_not_the_callers(hospital: Fhir) -> None:
    from tests.system.security.test_scopes import token

    headers = {
        **await token(hospital, "patient/Observation.cruds", patient="me"),
        "content-type": "application/json-patch+json",
    }
    for path, value in (
        ("/subject/reference", "Patient/other"), ("/id", "theirs"), ("/resourceType", "Patient"),
        ("/meta/versionId", "99"), ("/meta/lastUpdated", "1999-01-01T00:00:00Z"), ("/__proto__", {"x": 1}),
    ):  # fmt: skip
        body = json.dumps([{"op": "add", "path": path, "value": value}])
        answer = await hospital.http.patch(f"{BASE}/Observation/mine", content=body, headers=headers)
        kept = (await hospital.get("Observation/mine", **await token(hospital, "system/*.rs"))).json()
        assert kept["subject"] == {"reference": "Patient/me"} and kept["resourceType"] == "Observation", path
        assert kept["meta"]["versionId"] != "99" and not kept["meta"]["lastUpdated"].startswith("1999"), answer.text
        assert "__proto__" not in kept and answer.status_code < 500


async def test_tricks_in_paths_and_ids_reach_nothing_else(hospital: Fhir) -> None:
    from tests.system.security.test_scopes import token

    headers = await token(hospital, "patient/*.rs", patient="me")
    for path in (
        "Patient/me%2f..%2fother", "Patient/me/../other", "Patient/./other", "Patient//other", "Patient/%6fther",
        "Patient/other%00", "Patient/OTHER", "Patient/%EF%BD%8Fther", "patient/other", "Patient/other%0d%0aX-Y:%20z",
        "Patient/other;x=y", "Patient/other%20", "Patient/me/_history/../../other", "%50atient/other",
    ):  # fmt: skip
        answer = await hospital.http.get(f"{BASE}/{path}", headers=headers)
        assert answer.status_code in (400, 403, 404), (path, answer.text)
        assert "Theirs" not in answer.text and "x-y" not in answer.headers
    page = await hospital.http.get(f"{BASE}/Patient%0d%0aset-cookie:%20a=b", headers={"accept": "text/html"})
    assert "set-cookie" not in page.headers and "\n" not in page.headers.get("location", "")
