"""Faults of the machine in words: no room, no permission, no memory, whatever library met them."""

from __future__ import annotations

import errno
import os
import re

_TERSE = re.compile(r"\(os error (\d+)\)|Os \{ code: (\d+)")
"""How Rust's libraries (tokenizers, safetensors, Polars) name the error number, plainly and for debugging."""

_OUT_OF_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "memory allocation of",
    "bad_alloc",
    "can't start new thread",
    "could not create a primitive",
)
"""Parts of the messages by which torch, CUDA, Polars, Python and oneDNN say it, in errors of other types."""

_UNNAMED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
"""Errors of writing, for which libraries seldom name the file."""

_WORDS = {
    errno.ENOSPC: ("The disk is full", "Make room there, then run it again"),
    errno.EDQUOT: ("The disk quota is used up", "Make room there, then run it again"),
    errno.EFBIG: ("The file would grow over its limit", "Raise the limit (`ulimit -f`), then run it again"),
    errno.EROFS: ("The folder is read-only", "Make it writable, or work in another copy of the project"),
    errno.EACCES: ("There is no permission", "Change the permissions there, then run it again"),
    errno.EPERM: ("There is no permission", "Change the permissions there, then run it again"),
    errno.EEXIST: ("Something else is where a folder belongs", "Move it away, then run it again"),
    errno.ENOTDIR: ("A file is where a folder belongs", "Move it away, then run it again"),
    errno.EISDIR: ("A folder is where a file belongs", "Move it away, then run it again"),
    errno.EMFILE: ("Too many files are open", "Raise the limit (`ulimit -n`), then run it again"),
    errno.EIO: (
        "The disk or its connection failed",
        "Check it (`dmesg` names the device), then run it again",
    ),
}
_OTHER = (
    "The operating system refused",
    "Check the free space and the permissions there, then run it again; "
    "PIPELINE_TRACEBACK=1 shows where it stopped",
)


def os_error_in(error: BaseException) -> OSError | None:
    """The operating system's error that an exception is, or that its message tells of; None if neither.

    Libraries written in Rust raise errors of their own when a file cannot be written; on POSIX systems the
    number in their message is an ``errno``.
    """
    if isinstance(error, OSError):
        return error
    told = _TERSE.search(str(error)) if os.name == "posix" else None
    if told is None:
        return None
    code = int(told[1] or told[2])
    return OSError(code, os.strerror(code))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had, on the machine or on a GPU."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    tells_in_words = isinstance(error, RuntimeError) or type(error).__name__ == "PanicException"
    return tells_in_words and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def name_target(error: OSError, target: str, temporary: str) -> None:
    """Have an error name the artifact, where it names its temporary stand-in, or, of writing, nothing.

    Args:
        error: Changed in place.
        target: The artifact's path.
        temporary: The path it has while it is written; all beneath it is meant too.
    """
    named = [os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None]
    if any(name.startswith(temporary) for name in named) or (not named and error.errno in _UNNAMED):
        error.filename = target


def os_error_words(error: OSError) -> tuple[str, str]:
    """What an error of the operating system is called, and what to do about it."""
    return _WORDS.get(error.errno or 0, _OTHER)
