"""URLs in ``source.path``: which they are, and what of them may be written down."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pipeline.errors import PipelineError

_URL = re.compile(r"^(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://")
_SECRETS = re.compile(r"(?i)sig(nature)?$|token|secret|passw|credential|api[-_]?key|^key$|accesskey|^auth")


def is_url(path: str) -> bool:
    """Whether an entry of ``source.path`` is a URL; ``file://`` is one too, though no download."""
    return _URL.match(path) is not None


def local_path(url: str) -> str | None:
    """The path that a ``file://`` URL stands for; None for other URLs."""
    return unquote(urlsplit(url).path) if url.lower().startswith("file://") else None


def is_web(url: str) -> bool:
    """Whether a URL is one of the web."""
    return urlsplit(url).scheme.lower() in ("http", "https")


def check_url(url: str) -> None:
    """Refuse a URL whose secrets would stand in params.yaml and dvc.lock for everyone to read, and a chain.

    Raises:
        PipelineError: If it holds a password, a signature or another secret, or several URLs (``zip://...::``).
    """
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if _SECRETS.search(name)]
    found = None
    if ":" in user or (user and is_web(url)):
        found = "a user before the host"
    elif names:
        found = f"{', '.join(names)} in the query"
    if found is not None:
        raise PipelineError(
            "A URL holds credentials",
            file=without_secrets(url),
            key="source.path",
            found=found,
            expected="a URL that may be read by everyone who reads params.yaml",
            hint="Give credentials in the environment, or download the file and name it",
        )
    if "::" in url:
        raise PipelineError(
            "A URL is a chain of URLs",
            file=without_secrets(url.partition("::")[0]),
            key="source.path",
            found="::",
            expected="the URL of the file itself; .gz and .zst are unpacked while they are read",
            hint="Unpack the file there, or download and unpack it here",
        )


def without_secrets(url: str) -> str:
    """A URL without what may be secret in it: user, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    # abfs://container@account is no user.
    kept = parts.netloc if parts.scheme in ("abfs", "abfss", "az") and ":" not in parts.netloc else host
    return urlunsplit((parts.scheme, kept, parts.path, "", ""))


def bare_name(place: str) -> str:
    """The last part of a URL's path."""
    return unquote(place).rstrip("/").rpartition("/")[2]
