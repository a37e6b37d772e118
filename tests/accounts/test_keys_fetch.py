"""Keycloak's keys: fetched seldom, known through an outage, new ones at once, never for the attacker's sake."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from accounts import keys, tokens
from accounts.keys import KEYS, NoKeys, UnknownKey
from tests.accounts.keycloak import Jwks, Key, Mint, rsa_key


@pytest.fixture(autouse=True)
def issuer(mint: Mint) -> None:
    """Every test here has the keys' server."""


def age(seconds: float) -> None:
    """As if the last fetch were so many seconds ago."""
    KEYS._loaded_at -= seconds
    KEYS._next_try -= seconds


def test_many_tokens_cost_one_fetch(mint: Mint, jwks: Jwks) -> None:
    for _ in range(20):
        tokens.access_token(mint.access())
    assert jwks.fetches == 1


def test_the_first_callers_share_one_fetch(mint: Mint, jwks: Jwks) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: keys.key(mint.key.kid).key_id, range(8)))
    assert (found, jwks.fetches) == ([mint.key.kid] * 8, 1)


def test_500_unknown_keys_cost_one_fetch_a_pause(mint: Mint, jwks: Jwks) -> None:
    keys.key(mint.key.kid)
    age(keys.PAUSE)
    with ThreadPoolExecutor(8) as pool:
        refused = list(pool.map(lambda _: _unknown(), range(500)))
    assert (all(refused), jwks.fetches) == (True, 2)
    age(keys.PAUSE)
    assert _unknown()
    assert jwks.fetches == 3


def test_a_rotated_key_counts_at_once(mint: Mint, jwks: Jwks, other_key: Key) -> None:
    tokens.access_token(mint.access())
    age(keys.PAUSE)
    jwks.keys.insert(0, other_key)
    _, kid = tokens.access_token(mint.access(key=other_key))
    assert (kid, jwks.fetches) == (other_key.kid, 2)
    assert tokens.access_token(mint.access())[1] == mint.key.kid


def test_a_withdrawn_key_counts_no_more_after_the_next_fetch(mint: Mint, jwks: Jwks, other_key: Key) -> None:
    tokens.access_token(mint.access())
    jwks.keys[:] = [other_key]
    age(keys.PAUSE)
    tokens.access_token(mint.access(key=other_key))
    with pytest.raises(tokens.InvalidToken):
        tokens.access_token(mint.access())


@pytest.mark.parametrize("trouble", ["hangs", "500", "junk", "empty", "redirect"])
def test_known_keys_go_on_through_an_outage(mint: Mint, jwks: Jwks, trouble: str) -> None:
    tokens.access_token(mint.access())
    age(3600)
    break_server(jwks, trouble)
    for _ in range(5):
        assert tokens.access_token(mint.access())[1] == mint.key.kid
    assert _unknown()
    assert jwks.fetches <= 2


@pytest.mark.parametrize("trouble", ["500", "junk", "empty", "redirect"])
def test_without_any_key_it_is_no_verdict_on_the_token(mint: Mint, jwks: Jwks, trouble: str) -> None:
    break_server(jwks, trouble)
    for _ in range(5):
        with pytest.raises(NoKeys):
            tokens.access_token(mint.access())
    assert jwks.fetches == 1


def test_a_hanging_server_is_given_up_and_not_asked_by_everybody(mint: Mint, jwks: Jwks) -> None:
    break_server(jwks, "hangs")
    with ThreadPoolExecutor(8) as pool:
        refused = list(pool.map(lambda _: _no_keys(mint.key.kid), range(8)))
    assert (all(refused), jwks.fetches) == (True, 1)


def test_keys_are_not_kept_for_ever(mint: Mint, jwks: Jwks) -> None:
    tokens.access_token(mint.access())
    break_server(jwks, "500")
    age(90_000)
    with pytest.raises(NoKeys):
        tokens.access_token(mint.access())


def test_after_an_outage_keys_are_fetched_again(mint: Mint, jwks: Jwks) -> None:
    break_server(jwks, "500")
    assert _no_keys(mint.key.kid)
    jwks.status = 200
    age(keys.RETRY_AFTER)
    assert keys.key(mint.key.kid).key_id == mint.key.kid


def test_one_bad_key_in_the_list_does_not_hide_the_others(mint: Mint, jwks: Jwks) -> None:
    broken = rsa_key()
    broken.listed = lambda: {"kid": "broken", "kty": "RSA", "use": "sig", "alg": "RS256", "n": "!"}  # type: ignore[method-assign]
    jwks.keys.insert(0, broken)
    assert keys.key(mint.key.kid).key_id == mint.key.kid


def break_server(jwks: Jwks, trouble: str) -> None:
    match trouble:
        case "hangs":
            jwks.open.clear()
        case "500":
            jwks.status = 500
        case "junk":
            jwks.body = b"<html>"
        case "empty":
            jwks.body = b'{"keys": []}'
        case "redirect":
            jwks.status = 302


def _unknown() -> bool:
    try:
        keys.key(str(uuid4()))
    except UnknownKey:
        return True
    return False


def _no_keys(kid: str) -> bool:
    try:
        keys.key(kid)
    except NoKeys:
        return True
    return False


def test_the_operator_sees_whether_keys_are_known_and_fresh(mint: Mint, jwks: Jwks) -> None:
    jwks.status = 500
    assert keys.check().status == "failed"
    jwks.status = 200
    age(keys.RETRY_AFTER)
    assert keys.check().status == "ok"
    jwks.status = 500
    age(3600)
    assert keys.check().status == "warning"
