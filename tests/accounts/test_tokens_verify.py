"""Access tokens: one good shape, and every way to be wrong that is known from the field."""

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accounts import keys, tokens
from tests.accounts.keycloak import ALICE, In, Jwks, Key, Mint, raw_sign, segment


def test_a_good_token_is_accepted(mint: Mint) -> None:
    claims, kid = tokens.access_token(mint.access())
    assert (claims["sub"], kid) == (ALICE, mint.key.kid)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "taskmill-api"},
        {"sid": ...},
        {"nbf": In(-10)},
        {"exp": In(-5)},  # within the leeway
        {"iat": In(5)},
        {"realm_access": ...},
        {"resource_access": ...},
        {"auth_time": ...},
    ],
)
def test_shapes_that_keycloak_really_sends_are_accepted(mint: Mint, change: dict[str, Any]) -> None:
    claims, _ = tokens.access_token(mint.access(**change))
    assert claims["sub"] == ALICE


@pytest.mark.parametrize(
    "change",
    [
        {"exp": In(-60)},
        {"exp": ...},
        {"exp": str(int(time.time()) + 300)},
        {"exp": time.time() + 300.5},
        {"exp": In(10**9)},
        {"exp": 10**30},
        {"exp": None},
        {"exp": True},
        {"exp": [int(time.time()) + 300]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"iat": In(-(10**8))},
        {"nbf": In(60)},
        {"nbf": "soon"},
        {"iat": In(60)},
        {"iat": ...},
        {"iat": str(int(time.time()))},
    ],
)
def test_wrong_times_are_refused(mint: Mint, change: dict[str, Any]) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(mint.access(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "http://127.0.0.1/realms/other"},
        {"iss": ...},
        {"iss": ["x"]},
        {"aud": "account"},
        {"aud": ...},
        {"aud": []},
        {"aud": {"taskmill-api": 1}},
        {"aud": ["account", 7]},
        {"sub": ...},
        {"sub": 7},
        {"sub": ""},
        {"sub": "x" * 256},
        {"typ": "ID"},
        {"typ": "Refresh"},
        {"typ": "Offline"},
        {"typ": "Logout"},
        {"typ": ...},
        {"azp": "another-client"},
        {"azp": ...},
        {"azp": ["taskmill-web"]},
        {"sid": 7},
    ],
)
def test_wrong_issuer_audience_kind_or_client_is_refused(mint: Mint, change: dict[str, Any]) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(mint.access(**change))


def test_an_issuer_with_a_trailing_slash_is_another_issuer(mint: Mint) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(mint.access(iss=mint.issuer + "/"))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": ...},
        {"typ": 7},
        {"jwk": {"kty": "RSA"}},
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "http://127.0.0.1:1/cert"},
        {"x5c": ["MII"]},
        {"crit": ["exp"]},
        {"b64": False},
        {"kid": ...},
        {"kid": 7},
        {"kid": ""},
        {"kid": "../../etc/passwd"},
        {"kid": "a b"},
        {"kid": "x" * 200},
    ],
)
def test_odd_headers_are_refused_and_bring_no_fetch_of_their_own(
    mint: Mint, jwks: Jwks, header: dict[str, Any]
) -> None:
    tokens.access_token(mint.access())
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(mint.access(header=header))
    assert jwks.fetches == 1


def test_alg_none_is_refused(mint: Mint) -> None:
    _, payload, _ = mint.access().split(".")
    for name in ("none", "None", "nOnE", ""):
        head = segment(json.dumps({"alg": name, "typ": "at+jwt", "kid": mint.key.kid}).encode())
        with pytest.raises(tokens.InvalidToken):
            tokens.access_token(f"{head}.{payload}.")


def test_hs256_over_the_public_key_is_refused(mint: Mint) -> None:
    public = mint.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(mint.access(), options={"verify_signature": False})
    head = segment(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": mint.key.kid}).encode())
    signing_input = f"{head}.{segment(json.dumps(claims).encode())}"
    signature = segment(jwt.get_algorithm_by_name("HS256").sign(signing_input.encode(), public))
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(f"{signing_input}.{signature}")


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_another_algorithm_with_the_right_key_is_refused(mint: Mint, algorithm: str) -> None:
    claims = jwt.decode(mint.access(), options={"verify_signature": False})
    token = raw_sign(claims, {"typ": "at+jwt", "kid": mint.key.kid}, mint.key, algorithm)
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(token)


def test_another_key_under_a_known_id_is_refused(mint: Mint, other_key: Key) -> None:
    with pytest.raises(tokens.InvalidToken, match="signature"):
        tokens.access_token(mint.access(key=other_key, header={"kid": mint.key.kid}))


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RS256"])
def test_a_key_for_encryption_signs_nothing(mint: Mint, jwks: Jwks, other_key: Key, alg: str) -> None:
    jwks.keys.append(Key(other_key.private, kid="enc-key", use="enc", alg=alg))
    with pytest.raises(tokens.InvalidToken, match="key is not known"):
        tokens.access_token(mint.access(key=other_key, header={"kid": "enc-key"}))


def test_es256_is_accepted_with_its_own_key(mint: Mint, jwks: Jwks) -> None:
    key = Key(ec.generate_private_key(ec.SECP256R1()))
    jwks.keys.append(key)
    claims, _ = tokens.access_token(mint.access(key=key))
    assert claims["sub"] == ALICE


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "ü.b.c", "x" * 9000, "e30.e30.e30", "W10.W10.W10", "\0.\0.\0"],
)
def test_garbage_is_refused(mint: Mint, token: str) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(token)


def test_deep_json_in_a_header_is_refused(mint: Mint) -> None:
    deep = segment(b"[" * 5000)
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(f"{deep}.e30.e30")


def test_a_flipped_bit_anywhere_is_refused(mint: Mint) -> None:
    token = mint.access()
    for place in range(3, len(token) - 2, 37):
        if token[place] == ".":
            continue
        flipped = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises((tokens.InvalidToken, keys.NoKeys)):
            tokens.access_token(flipped)


def test_compat_mode_takes_plain_jwt_but_no_other_kind(mint: Mint, settings: Any) -> None:
    settings.OIDC_STRICT_TOKEN_TYPE = False
    claims, _ = tokens.access_token(mint.access(header={"typ": "JWT"}))
    assert claims["sub"] == ALICE
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(mint.access(header={"typ": "JWT"}, typ="ID"))


def test_no_part_of_a_token_is_ever_logged(mint: Mint, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = mint.access(), mint.access(exp=In(-60))
    tokens.access_token(good)
    with pytest.raises(tokens.InvalidToken) as refused:
        tokens.access_token(bad)
    said = caplog.text + str(refused.value)
    assert not any(part in said for token in (good, bad) for part in token.split("."))
