"""The consistency token: the id of the writing transaction (xid8), signed, opaque to clients.

The event row of a write already holds the id, so that the token costs no round trip. A log position would
cost one, and would change its meaning with the timeline after a promotion.
"""

import hmac
from functools import lru_cache

from django.conf import settings
from django.core.signing import BadSignature, Signer, b64_encode
from django.utils.crypto import salted_hmac

HEADER = "Consistency-Token"
_SALT = "consistency-token"


class MalformedToken(ValueError):
    """Not a token of ours."""


@lru_cache(1)
def _signer(_key: str) -> Signer:
    """It looks at five settings when it is made, for each write anew."""
    return Signer(salt=_SALT)


@lru_cache(1)
def _hmac(key: str) -> hmac.HMAC:
    """What `sign` prepares each time."""
    return salted_hmac(f"{_SALT}signer", "", key, algorithm=_signer(key).algorithm)


def encode(xid: int) -> str:
    text = str(xid)
    signed = _hmac(settings.SECRET_KEY).copy()
    signed.update(text.encode())
    return f"{text}:{b64_encode(signed.digest()).decode()}"


def decode(token: str) -> int:
    try:
        return int(_signer(settings.SECRET_KEY).unsign(token))
    except (BadSignature, ValueError) as error:
        raise MalformedToken from error
