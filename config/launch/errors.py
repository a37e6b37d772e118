import errno


class LaunchError(Exception):
    """Why the system cannot start or stop, as one line that says what to do next; shown without a traceback."""


_REASONS = {
    errno.ENOSPC: "the disk is full: free some space and start again",
    errno.EDQUOT: "the disk quota is used up: free some space and start again",
    errno.EROFS: "the file system is read-only: choose a folder that can be written",
    errno.EACCES: "permission denied: give yourself the right to write there, or start as its owner",
    errno.EPERM: "permission denied: give yourself the right to write there, or start as its owner",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
    errno.EMFILE: "too many open files: raise the limit with `ulimit -n`",
    errno.ENOMEM: "not enough memory",
}


def explain(error: OSError) -> str:
    """One line for what the operating system refused."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return f"{error.filename}: {reason}." if error.filename else f"{reason}."
