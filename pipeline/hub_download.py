"""Files from the Hugging Face hub, or an error within minutes; and never a damaged one.

The hub's own client waits without end for a hub that takes a connection and says nothing (its listing of
files has no time-out), for as long as a hub asks it to (``Retry-After``), and, where a server breaks off in
mid-file and cannot resume, tries again some thousand times. Its cache is not read again once a file lies
there. Here requests have a time-out, waits and repetitions a bound, and files are compared with their names
in the cache, which are their hashes.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import httpx2
from huggingface_hub import constants, hf_hub_download, set_client_factory
from huggingface_hub import snapshot_download as hub_snapshot

# The first is what set_client_factory replaces, and has no public name.
from huggingface_hub.utils._http import default_client_factory, parse_ratelimit_headers

from pipeline.errors import PipelineError
from pipeline.files import sha256_file

LONGEST_WAIT = 120
"""Seconds; a hub that asks for a longer wait between two tries is not waited for."""

MOST_REPEATS = 8
"""Times the very same request is made; the client's own retries end before that."""


class HubGaveUpError(Exception):
    """A hub that cannot be waited for any longer."""


def snapshot_download(
    repo: str, repo_type: Literal["dataset", "model"], revision: str, patterns: Sequence[str]
) -> Path:
    """Bring a repository's files into the hub's local cache, or find them there.

    A request waits for an answer, or for the next bytes of one, as long as ``HF_HUB_DOWNLOAD_TIMEOUT`` says
    (10 seconds). With a hub that never answers it takes some two minutes to give up. What was downloaded
    whole before is not downloaded again by another try.

    Args:
        repo: ``owner/name``.
        repo_type: ``dataset`` or ``model``.
        revision: Commit, tag or branch.
        patterns: Names of the files wanted.

    Returns:
        The snapshot's folder, named by its commit.

    Raises:
        PipelineError: If a file in the cache is not what its name says.
        Exception: What huggingface_hub and the transports beneath it raise, and :class:`HubGaveUpError`.
    """
    with bounded_requests():
        folder = Path(
            hub_snapshot(repo, repo_type=repo_type, revision=revision, allow_patterns=list(patterns))
        )
    for path in sorted(folder.rglob("*")):
        # A cache filled by someone else may hold large files beside those asked for.
        if any(fnmatch(path.relative_to(folder).as_posix(), pattern) for pattern in patterns):
            _check_blob(path)
    return folder


def file_download(repo: str, repo_type: Literal["dataset", "model"], revision: str, name: str) -> Path:
    """As :func:`snapshot_download`, one file by its name; gives where it lies.

    Raises:
        PipelineError: If the file in the cache is not what its name says.
        Exception: As :func:`snapshot_download`.
    """
    with bounded_requests():
        path = Path(hf_hub_download(repo, name, repo_type=repo_type, revision=revision))
    _check_blob(path)
    return path


@contextmanager
def bounded_requests() -> Iterator[None]:
    """Let the hub's client make its requests within bounds, for the length of a block."""
    bounds = _Bounds()

    def client() -> httpx2.Client:
        made = default_client_factory()
        hooks = made.event_hooks
        made.event_hooks = {
            "request": [*hooks["request"], bounds.request],
            "response": [*hooks["response"], bounds.response],
        }
        return made

    set_client_factory(client)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)


class _Bounds:
    """Hooks for a client's requests and answers."""

    def __init__(self) -> None:
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def request(self, request: httpx2.Request) -> None:
        """Give a request the time-out it lacks, and count it."""
        longest = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
        given = request.extensions.get("timeout") or {}
        waits = {kind: min(given.get(kind) or longest, longest) for kind in _TIMEOUTS}
        request.extensions = {**request.extensions, "timeout": waits}
        # A download that goes on where it broke off asks for another range each time.
        asked = (request.method, str(request.url), request.headers.get("range", ""))
        with self._lock:
            self._asked[asked] += 1
            times = self._asked[asked]
        if times > MOST_REPEATS:
            raise HubGaveUpError(f"asked {MOST_REPEATS} times for {request.url.path} and got no whole answer")

    def response(self, response: httpx2.Response) -> None:
        """Refuse to wait for as long as an answer asks."""
        wait = _asked_wait(response)
        if wait > LONGEST_WAIT:
            raise HubGaveUpError(f"HTTP {response.status_code}: the hub asks to come back in {wait} s")


_TIMEOUTS = ("connect", "read", "write", "pool")


def _asked_wait(response: httpx2.Response) -> int:
    """Seconds that an answer asks to wait, as the hub's client would."""
    if response.status_code < 400:
        return 0
    limit = parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    value = response.headers.get("retry-after", "").strip()
    return int(value) if value.isdigit() else 0


def _check_blob(path: Path) -> None:
    """Compare a file of a snapshot with the hash its blob is named by, where the cache links to blobs.

    Raises:
        PipelineError: If they differ.
    """
    if not path.is_symlink():  # where links cannot be made there are copies, which no hash names
        return
    blob = path.readlink().name
    if re.fullmatch("[0-9a-f]{64}", blob):
        found = sha256_file(path)
    elif re.fullmatch("[0-9a-f]{40}", blob):
        found = _git_sha1(path)
    else:
        return
    if found != blob:
        raise PipelineError(
            "A file from the hub is not what the hub says it is: it was damaged on the way, or in the cache",
            file=path.resolve(),
            found=found,
            expected=f"{blob}, the hash of {path.name}",
            hint="Delete that file and run the stage again, which downloads it anew",
        )


def _git_sha1(path: Path) -> str:
    """The hash git names a file by."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
