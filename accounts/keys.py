"""Keycloak's signing keys, kept so that a dead or slow Keycloak fails no call with a token of a known key."""

import json
import logging
from collections.abc import Mapping

import requests
from django.conf import settings
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import InvalidKeyError, PyJWKError, PyJWKSetError

from accounts.refreshed import Refreshed
from config.observability.health import Result

ALGORITHMS = ("RS256", "ES256")

_EVERY = 300.0  # seconds between two fetches in calm times
TIMEOUT = 2.0  # seconds for one fetch
PAUSE = 3.0  # between two fetches: a flood of unknown key ids costs Keycloak one fetch in this time
RETRY_AFTER = 5.0  # after a failed fetch
# A new key is used for signing at once (Keycloak has no grace period), so an unknown key id waits for a fetch.
# Not for long: with a frozen Keycloak everybody could make us wait.
UNKNOWN_WAIT = 0.5

logger = logging.getLogger(__name__)
Keys = Mapping[str, PyJWK]


class UnknownKey(Exception):
    """Keycloak does not list this key: the token is not from it, or its key was withdrawn."""


class NoKeys(Exception):
    """Keycloak's keys were never seen, so nothing can be said about any token: try again later."""


def fetch() -> Keys:
    """Keys for signatures by key id. The address is the configured one; no token can name another."""
    # No redirects: the answer decides who is who.
    response = requests.get(settings.OIDC_OP_JWKS_ENDPOINT, timeout=TIMEOUT, allow_redirects=False)
    response.raise_for_status()
    keys = {
        key.key_id: key
        for key in PyJWKSet.from_dict(json.loads(response.content)).keys
        if key.key_id and key.public_key_use == "sig" and key.algorithm_name in ALGORITHMS
    }
    if response.status_code != requests.codes.ok or not keys:
        raise requests.RequestException("no signing keys in the answer")
    logger.info("signing keys fetched", extra={"kids": sorted(keys)})
    return keys


_ERRORS = (requests.RequestException, ValueError, TypeError, AttributeError)
KEYS: Refreshed[Keys] = Refreshed(
    fetch,
    errors=(*_ERRORS, PyJWKError, PyJWKSetError, InvalidKeyError),
    every=_EVERY,
    tolerate=86_400,
    keep=86_400,
    pause=PAUSE,
    retry_after=RETRY_AFTER,
    wait=TIMEOUT,
)


def check() -> Result:
    """For /readyz?verbose. Without Keycloak calls go on for as long as its keys are known."""
    if KEYS.get() is None:
        return Result("failed", "no signing keys are known: calls with a token get 503")
    stale = KEYS.age() > 2 * _EVERY
    return Result("warning" if stale else "ok", f"signing keys fetched {KEYS.age():.0f} s ago")


def key(kid: str) -> PyJWK:
    """The key with this id; a call with an unknown one brings about a fetch, at most one every PAUSE."""
    keys = KEYS.get()
    if keys is None:
        raise NoKeys
    if kid not in keys:
        KEYS.renew(wait=UNKNOWN_WAIT)
        keys = KEYS.get() or keys
    if kid not in keys:
        raise UnknownKey
    return keys[kid]
