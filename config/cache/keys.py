"""The names of what lies in Redis."""


def key(subject: str, what: str) -> str:
    """All keys of one subject (a user, a task, an address) share a hash tag: one slot of a Redis Cluster."""
    return f"tm:{{{subject}}}:{what}"
