"""The names of what lies in Redis."""

MEMORY = "tm:{memory}"  # without an end: an eviction by volatile-… does not take it
MASTER = "tm:{memory}:master"  # under which it was begun, where there are Sentinels


def key(subject: str, what: str) -> str:
    """All keys of one subject (a user, a task, an address) share a hash tag: one slot of a Redis Cluster."""
    return f"tm:{{{subject}}}:{what}"
