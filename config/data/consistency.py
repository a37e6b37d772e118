"""The consistency token: the id of the writing transaction (xid8), signed, opaque to clients.

The event row of a write already holds the id, so that the token costs no round trip. A log position would
cost one, and would change its meaning with the timeline after a promotion.
"""

from django.core.signing import BadSignature, Signer

HEADER = "Consistency-Token"
_SALT = "consistency-token"


class MalformedToken(ValueError):
    """Not a token of ours."""


def encode(xid: int) -> str:
    return Signer(salt=_SALT).sign(str(xid))


def decode(token: str) -> int:
    try:
        return int(Signer(salt=_SALT).unsign(token))
    except (BadSignature, ValueError) as error:
        raise MalformedToken from error
