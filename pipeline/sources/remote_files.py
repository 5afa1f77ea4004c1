"""Files that ``source.path`` names by URL: brought into a local cache through fsspec, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
from fsspec.callbacks import Callback
from fsspec.core import url_to_fs

from pipeline.errors import PipelineError
from pipeline.files import atomic_file, content_id
from pipeline.progress import ProgressDisplay, progress_bar
from pipeline.sources.formats import EXTENSIONS, format_of
from pipeline.sources.local_files import data_names
from pipeline.sources.urls import bare_name, check_url, is_web, without_secrets

CACHE = Path(".cache/sources")
"""Where downloads are kept, beside the project's other caches; it may be removed at any time."""

DRIVERS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "hf": "huggingface_hub",
    "sftp": "paramiko",
}
"""The package that fsspec needs for a kind of URL."""

# What tells one state of a file from another, as the drivers call it.
_MARKS = (
    "ETag", "etag", "e_tag", "md5Hash", "Content-MD5", "content_md5", "crc32c", "generation", "VersionId",
    "blob_id", "LastModified", "Last-Modified", "last_modified", "updated", "mtime", "created",
)  # fmt: skip
_MEGABYTE = 1_000_000
_TRY_AGAIN = "Check the network and the credentials in the environment, and run the stage again"


@dataclass(frozen=True)
class Remote:
    """A file brought here.

    Attributes:
        name: Its name, or where a folder was named its path within that.
        path: Where it lies in the cache.
        url: Where it came from, without query.
    """

    name: str
    path: Path
    url: str


def remote_files(url: str, cache: Path = CACHE) -> list[Remote]:
    """The files that a URL stands for: one, those that match a glob, or all data files below a folder.

    A file is downloaded once for each state it has there, by its size and what else tells the state (an
    ETag, a checksum, a time); where nothing does, each time. Credentials are taken from the environment, as
    the driver documents.

    Args:
        url: A URL that fsspec has a driver for.
        cache: The folder that downloads are kept in.

    Raises:
        PipelineError: If the URL holds credentials, its driver is not installed, nothing is there or may be
            read, or a download breaks off. No message holds the URL's query.
        OSError: If the cache cannot be written.
    """
    check_url(url)
    shown = without_secrets(url)
    with _faults(url, shown):
        system, place = url_to_fs(url, **_options(url))
        remotes = []
        for name, one in _listed(system, place, url, shown):
            format_of(Path(name))
            address = shown if one == place else str(system.unstrip_protocol(one))
            remotes.append(Remote(name, _downloaded(system, one, name, cache, address), address))
    return remotes


def _listed(system: Any, place: str, url: str, shown: str) -> list[tuple[str, str]]:
    """Each file's name and its place in the remote system, in order of the names."""
    if is_web(url):
        return [(bare_name(shown), place)]
    if "*" in place:
        return sorted((bare_name(one), one) for one in system.glob(place)) or _nothing(shown)
    if system.isdir(place):
        start = place.rstrip("/") + "/"
        names = {one.removeprefix(start): one for one in system.find(place)}
        return [(name, names[name]) for name in data_names(list(names))] or _nothing(shown)
    return [(bare_name(place), place)]


def _downloaded(system: Any, place: str, name: str, cache: Path, shown: str) -> Path:
    facts = system.info(place)
    size = facts.get("size")
    marks = [f"{mark}={facts[mark]}" for mark in _MARKS if facts.get(mark) is not None]
    target = cache / content_id(place, str(size), *marks) / name.rpartition("/")[2]
    if marks and target.is_file() and size in (None, target.stat().st_size):
        return target
    with atomic_file(target) as partial, progress_bar() as display:
        system.get_file(place, str(partial), callback=_Shown(display, name, size))
        got = partial.stat().st_size
        if size is not None and got != size:
            raise PipelineError(
                "A download broke off",
                file=shown,
                found=f"{got} bytes",
                expected=f"{size} bytes",
                hint="Run the stage again",
            )
    return target


class _Shown(Callback):  # type: ignore[misc]
    """Shows how far a download is, in megabytes."""

    def __init__(self, display: ProgressDisplay, name: str, size: int | None) -> None:
        super().__init__()
        self._display = display
        total = None if size is None else -(-size // _MEGABYTE)
        self._task = display.begin(f"downloading {name}", total, "MB")
        self._megabytes = 0

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
        """Show what has come since the last call."""
        megabytes = -(-self.value // _MEGABYTE)
        self._display.done(self._task, megabytes - self._megabytes)
        self._megabytes = megabytes


@contextmanager
def _faults(url: str, shown: str) -> Iterator[None]:
    """Say what a driver raises in words, the URL's query left out."""
    scheme = urlsplit(url).scheme.lower()

    def fault(problem: str, error: Exception, hint: str) -> PipelineError:
        # Not the message of a driver as it is: it may quote the whole URL.
        found = f"{type(error).__name__}: {str(error).replace(url, shown)}"
        query = urlsplit(url).query
        return PipelineError(
            problem,
            file=shown,
            key="source.path",
            found=found.replace(query, "...") if query else found,
            hint=hint,
        )

    try:
        yield
    except PipelineError:
        raise
    except OSError as error:
        if error.filename is not None:  # The cache's own folder, not the remote.
            raise
        raise _of_system(error, fault) from error
    except (ImportError, ValueError) as error:
        if isinstance(error, ValueError) and scheme in fsspec.available_protocols():
            raise fault("A file could not be downloaded", error, "Correct the URL") from error
        package = DRIVERS.get(scheme)
        hint = f"pip install {package}" if package else f"Name one of {', '.join(sorted(DRIVERS))}, or a file"
        raise fault(f"There is no driver here for {scheme}:// URLs", error, hint) from error
    except Exception as error:  # The drivers' transports raise kinds that share no other base.
        raise fault("A remote file could not be downloaded", error, _TRY_AGAIN) from error


def _of_system(error: OSError, fault: Callable[[str, Exception, str], PipelineError]) -> PipelineError:
    if isinstance(error, FileNotFoundError):
        hint = "Correct source.path in params.yaml, or check that the server answers and lets you in"
        return fault("A remote file was not found", error, hint)
    if isinstance(error, PermissionError):
        hint = "Set the credentials in the environment, as the driver's documentation says"
        return fault("A remote file may not be read", error, hint)
    return fault("A remote file could not be downloaded", error, _TRY_AGAIN)


def _options(url: str) -> dict[str, Any]:
    """What the driver is told: of the web, bytes as they lie there, and no limit on the whole time."""
    if not is_web(url):
        return {}
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {"headers": {"Accept-Encoding": "identity"}, "client_kwargs": {"timeout": timeout}}


def _nothing(shown: str) -> list[tuple[str, str]]:
    raise PipelineError(
        "A remote folder or pattern holds no data files",
        file=shown,
        key="source.path",
        expected=f"files named {', '.join(EXTENSIONS)}",
        hint="Correct source.path in params.yaml",
    )
