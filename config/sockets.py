import select


def is_quiet(descriptor: int) -> bool:
    """Whether an idle connection may be used again, by a look at its socket (a microsecond, no round trip).

    A peer that ended the connection left an end of file there; one that waits for a question has sent nothing.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)
