"""Bearer tokens: what an issuer signed for us, and nothing else."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from support_web import AUDIENCE, ISSUER, NOW, Issuer, Shop, WebClock, bearer_header, call_wsgi, client_of

from connector.errors import ConfigError, PluginError
from connector.spi import UserPrincipal
from connector_web import basic, bearer
from connector_web.asgi import request_of
from connector_web.bearer import BearerSource
from connector_web.proof import Caller
from connector_web.refusal import CredentialRefused

ONE = Issuer()
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8), st.lists, max_leaves=4)


def source(keys: Any = None, **changes: Any) -> BearerSource:
    options = {"issuer": ISSUER, "audience": AUDIENCE, "keys": keys or ONE.jwks, "clock": WebClock(), **changes}
    return bearer(**options)


def read(token: str, of: BearerSource | None = None) -> Caller | None:
    headers = [(b"authorization", f"Bearer {token}".encode("latin-1"))]
    return (of or source()).read(request_of({"type": "http", "headers": headers}))


def refusal(token: str, of: BearerSource | None = None) -> str:
    with pytest.raises(CredentialRefused) as refused:
        read(token, of)
    assert token not in str(refused.value)
    return str(refused.value.details.get("why", refused.value.code))


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


def test_a_token_makes_its_subject_the_caller_with_the_groups_that_the_realm_knows(shop: Shop) -> None:
    client = client_of(shop.container, source(groups_claim="groups"))
    answer = client.get("/", headers=bearer_header(ONE.token(sub="carol", groups=["buyers", "root"])))
    assert (answer.status_code, answer.text) == (200, "carol@shop buyers,clients")
    assert [record["details"]["source"] for record in shop.audited()] == ["bearer"]


def test_the_same_for_wsgi(shop: Shop) -> None:
    header = {"HTTP_AUTHORIZATION": f"Bearer {ONE.token()}"}
    assert call_wsgi(shop.container, header, source())[::2] == (200, b"alice@shop")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another-api"}, "invalid_claim"),
        ({"aud": ["another-api"]}, "invalid_claim"),
        ({"aud": None}, "missing_claim"),
        ({"exp": None}, "missing_claim"),
        ({"exp": int(NOW) - 30}, "expired_token"),
        ({"exp": "tomorrow"}, "invalid_claim"),
        ({"nbf": int(NOW) + 31}, "invalid_claim"),
        ({"iat": int(NOW) + 31}, "invalid_claim"),
    ],
)
def test_a_token_that_is_not_for_us_or_not_for_now_is_refused(claims: dict[str, Any], why: str) -> None:
    assert refusal(ONE.token(**claims)) == why


@pytest.mark.parametrize(
    "claims", [{"exp": int(NOW) - 29}, {"nbf": int(NOW) + 30}, {"iat": int(NOW) + 30}, {"aud": ["other", AUDIENCE]}]
)
def test_clocks_may_differ_by_the_leeway_and_the_audience_may_be_one_of_several(claims: dict[str, Any]) -> None:
    assert read(ONE.token(**claims)) == Caller("alice")


def test_a_token_of_another_key_under_our_keys_name_is_refused() -> None:
    assert refusal(Issuer().token()) == "bad_signature"


def test_a_key_that_the_issuer_does_not_have_is_refused() -> None:
    assert refusal(Issuer("two").token()) == "invalid_key_id"


def test_several_keys_are_told_apart_by_their_name() -> None:
    two = Issuer("two")
    both = source({"keys": [*ONE.jwks["keys"], *two.jwks["keys"]]})
    assert read(two.token(), both) == read(ONE.token(), both) == Caller("alice")
    assert refusal(ONE.token(header={"kid": "two"}), both) == "bad_signature"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "PS256"])
def test_an_algorithm_that_is_not_allowed_is_refused_whatever_the_token_says(algorithm: str) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(NOW) + 60}
    assert refusal(unsigned({"alg": algorithm, "kid": "one"}, claims)) == "unsupported_algorithm"


def test_the_public_key_is_never_taken_for_a_shared_one() -> None:
    public = ONE.key.as_pem(private=False)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(NOW) + 60}
    shared = OctKey.import_key(base64.urlsafe_b64encode(public).decode())
    forged = jwt.encode({"alg": "HS256", "kid": "one"}, claims, shared, algorithms=["HS256"])
    assert refusal(forged) == "unsupported_algorithm"


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256", "RS256"), ("RS257",)])
def test_algorithms_that_would_let_forgeries_in_are_refused_at_the_start(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="CF-WEB-022"):
        source(algorithms=algorithms)


@pytest.mark.parametrize("missing", [{"audience": ()}, {"audience": ""}, {"audience": ("", "a")}, {"issuer": ""}])
def test_without_issuer_or_audience_nothing_can_be_verified(missing: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="CF-WEB-025"):
        source(**missing)


def test_a_changed_claim_breaks_the_signature() -> None:
    head, payload, signature = ONE.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "admin"}).encode()).rstrip(b"=").decode()
    assert refusal(f"{head}.{forged}.{signature}") == "bad_signature"


def test_a_critical_extension_that_is_not_understood_is_refused_and_any_other_is_ignored() -> None:
    assert read(ONE.token(header={"vendor": "x"})) == Caller("alice")
    assert refusal(ONE.token(header={"vendor": "x", "crit": ["vendor"]})) == "unsupported_header"


@pytest.mark.parametrize("sub", [None, "", 7, "al\nice", "a" * 256])
def test_a_token_that_names_nobody_is_refused(sub: object) -> None:
    token = ONE.token(sub=None, name=sub)
    assert refusal(token, source(user_claim="name")) == "it must be a name"


@pytest.mark.parametrize("groups", ["buyers", [1], {"a": 1}])
def test_groups_that_are_no_list_of_names_are_refused(groups: object) -> None:
    assert refusal(ONE.token(groups=groups), source(groups_claim="groups")) == "it must be a list of names"


def test_required_claims_must_be_there_with_their_value_and_replace_none_of_ours() -> None:
    strict = source(required={"tenant": "shop", "amr": "mfa", "jti": None, "aud": "another", "exp": None})
    assert read(ONE.token(tenant="shop", amr=["pwd", "mfa"], jti="1"), strict) == Caller("alice")
    assert refusal(ONE.token(tenant="other", amr=["mfa"], jti="1"), strict) == "invalid_claim"
    assert refusal(ONE.token(tenant="shop", amr=["pwd"], jti="1"), strict) == "invalid_claim"
    assert refusal(ONE.token(tenant="shop", amr=["mfa"]), strict) == "missing_claim"


def test_another_issuers_token_is_left_to_its_own_source(shop: Shop) -> None:
    other = Issuer()
    second = source(other.jwks, issuer="https://partner.example", realm="partner", groups_claim="roles")
    client = client_of(shop.container, source(), second)
    token = other.token(iss="https://partner.example", sub="paula", roles=["dealers"])
    assert client.get("/", headers=bearer_header(token)).text == "paula@partner dealers"
    assert client.get("/", headers=bearer_header(ONE.token())).text == "alice@shop buyers,clients"
    unverified = Issuer().token(iss="https://partner.example", sub="paula")
    assert client.get("/", headers=bearer_header(unverified)).status_code == 401


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", Issuer().token(iss="https://nobody.example")])
def test_a_token_that_no_source_takes_is_refused_and_never_served_as_nobody(shop: Shop, token: str) -> None:
    client = client_of(shop.container, source(), nobody="unauthenticated")
    answer = client.get("/", headers=bearer_header(token))
    assert (answer.status_code, answer.json()["code"]) == (401, "CF-WEB-002")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="shop", error="invalid_token"'
    assert [record["reason"] for record in shop.audited()] == ["CF-WEB-041"]


def test_a_bare_token_without_a_scheme_is_refused_and_logged_nowhere(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    token = ONE.token()
    with caplog.at_level("DEBUG", logger="connector"):
        answer = client_of(shop.container, source()).get("/", headers={"Authorization": token})
    assert answer.status_code == 401
    assert token[:20] not in caplog.text + str(shop.audited())


@pytest.mark.parametrize(
    ("realm", "sub", "code"), [(None, "mallory", "CF-WORK-029"), ("elsewhere", "alice", "CF-WORK-028")]
)
def test_a_proven_caller_whom_the_realm_does_not_admit_is_forbidden(
    shop: Shop, realm: str | None, sub: str, code: str
) -> None:
    answer = client_of(shop.container, source(realm=realm)).get("/", headers=bearer_header(ONE.token(sub=sub)))
    assert (answer.status_code, answer.json()["code"]) == (403, "CF-WEB-003")
    assert "WWW-Authenticate" not in answer.headers
    assert [(record["outcome"], record["reason"]) for record in shop.audited()] == [("denied", code)]


def test_a_trusted_realms_groups_are_its_own_and_count_for_nothing_in_ours(shop: Shop) -> None:
    of_partner = source(realm="partner", groups_claim="groups")
    answer = client_of(shop.container, of_partner).get(
        "/", headers=bearer_header(ONE.token(sub="admin", groups=["buyers"]))
    )
    assert answer.text == "admin@partner buyers"
    subject = shop.container.establish(UserPrincipal("admin", "partner"), ["buyers"])
    assert shop.container.admin_roles_of(subject) == frozenset()


def test_the_challenge_asks_for_a_token_where_none_came(shop: Shop) -> None:
    answer = client_of(shop.container, source(), basic()).get("/")
    assert answer.status_code == 401
    assert answer.headers.get_list("WWW-Authenticate") == ['Bearer realm="shop"', 'Basic realm="shop", charset="UTF-8"']
    assert answer.json()["code"] == "CF-WEB-001"


def test_keys_are_read_again_when_their_file_has_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    two = Issuer("two")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(ONE.jwks))
    of_file = source(file)
    assert read(ONE.token(), of_file) == Caller("alice")
    replace(file, json.dumps(two.jwks))
    assert read(two.token(), of_file) == Caller("alice")
    assert refusal(ONE.token(), of_file) == "invalid_key_id"
    for broken in ("no json", "[]", '{"keys": []}', None):
        caplog.clear()
        replace(file, broken)
        for _ in range(2):
            assert read(two.token(), of_file) == Caller("alice")
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "the keys known last stay in force" in caplog.text


def replace(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink()
        return
    fresh = file.with_name("fresh")
    fresh.write_text(text)
    fresh.replace(file)


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": [{"kty": "EC"}]}, {"keys": 7}])
def test_a_document_without_usable_keys_is_refused_at_the_start(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="CF-WEB-021"):
        bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys)


def test_a_file_of_keys_that_is_missing_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        source(tmp_path / "missing.json")


def test_what_is_wrong_with_a_private_key_is_said_without_showing_it() -> None:
    private = ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=True)
    broken = {**private, "x": "!!"}
    with pytest.raises(ConfigError) as refused:
        source({"keys": [broken]})
    assert str(private["d"]) not in str(refused.value) + repr(refused.value.details)


@given(token=st.text(st.characters(max_codepoint=255), max_size=80))
def test_no_text_for_a_token_raises_anything_but_a_refusal(token: str) -> None:
    with contextlib.suppress(CredentialRefused):
        assert read(token) is None


@given(claims=st.dictionaries(st.sampled_from(["iss", "sub", "exp", "aud", "nbf"]), JSON), header=st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "x5c"]), JSON))  # fmt: skip
def test_no_signed_or_unsigned_json_names_anybody_without_a_signature(claims: Any, header: Any) -> None:
    with contextlib.suppress(CredentialRefused):
        assert read(unsigned(header, {**claims, "iss": ISSUER})) is None


@given(flip=st.integers(0, 10_000), to=st.sampled_from("AQgwZz09-_"))
def test_a_token_with_one_letter_changed_names_nobody(flip: int, to: str) -> None:
    token = ONE.token()
    place = flip % len(token)
    changed = token[:place] + to + token[place + 1 :]
    if changed == token:
        return
    with contextlib.suppress(CredentialRefused):
        assert read(changed) is None


def test_without_the_library_bearer_tokens_are_refused_at_the_start_and_all_else_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "joserfc.jwk", None)
    with pytest.raises(PluginError, match="CF-WEB-020"):
        source()


def test_the_package_alone_loads_neither_the_library_nor_a_web_framework() -> None:
    heavy = ("joserfc", "starlette", "flask", "pydantic")
    check = f"import sys, connector_web; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
