"""An Argilla server, spoken to through its own client: the one module that imports it.

Every fault of the server, the key or the dataset becomes one clear error; a request that may have been lost
becomes :class:`~pipeline.curation.argilla_push.BrokenConnectionError` where it can be tried again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.curation import argilla_form as form
from pipeline.curation.argilla_push import BrokenConnectionError
from pipeline.curation.argilla_settings import dataset_record, dataset_settings
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from uuid import UUID

    import argilla

    from pipeline.params import ArgillaParams

URL, KEY = "ARGILLA_API_URL", "ARGILLA_API_KEY"
"""Environment variables that name the server and the key."""

PAGE = 250
"""Records in one request when reading."""

_KEY_HINT = "Copy the key of an owner or admin from My settings on Argilla's page"


class Server:
    """A connection to the server that the environment names.

    Args:
        params: Section ``curate.argilla`` of params.

    Raises:
        PipelineError: If the client is not installed, the environment names no server or key, nothing answers
            there as Argilla does, the key is wrong or not that of an owner or admin, or there is no such
            workspace.
    """

    def __init__(self, params: ArgillaParams) -> None:
        self._params = params
        self.url = _environment(
            URL, "https://argilla.example.org or http://localhost:6900", "docs/curation-argilla.md"
        )
        key = _environment(KEY, "an owner's or admin's API key", _KEY_HINT)
        rg = _argilla()
        with _faults(self.url):
            # Tries of its own would hide how long a server has been gone; a push has its own.
            self._client = rg.Argilla(api_url=self.url, api_key=key, retries=0)
            self._check_role(self._client.me)
            self._workspace = self._find_workspace()

    @property
    def named(self) -> str:
        """The dataset as the record of what was sent begins to name it; its id on the server follows."""
        return f"argilla:{self._params.workspace}/{self._params.dataset}#"

    def find(self) -> RemoteDataset | None:
        """The dataset; None where there is none, or one that never got as far as being published.

        Raises:
            PipelineError: If it asks other questions than this pipeline reads, or wants another number of
                answers than ``curate.argilla.min_submitted``.
        """
        with _faults(self.url):
            dataset = self._published()
            if dataset is None:
                return None
            self._check_form(dataset)
            return RemoteDataset(self._client, dataset, f"{self.named}{dataset.id}", self.url)

    def create(self, guidelines: str) -> RemoteDataset:
        """Make and publish the dataset.

        Args:
            guidelines: What annotators are told, in Markdown.
        """
        rg = _argilla()
        with _faults(self.url):
            self._remove_unpublished()
            made = rg.Dataset(
                name=self._params.dataset,
                workspace=self._workspace,
                settings=dataset_settings(rg, guidelines, self._params.min_submitted),
                client=self._client,
            ).create()
            return RemoteDataset(self._client, made, f"{self.named}{made.id}", self.url)

    def _models(self) -> list[Any]:
        listed = self._client.api.datasets.list(workspace_id=self._workspace.id)
        return [model for model in listed if model.name == self._params.dataset]

    def _published(self) -> argilla.Dataset | None:
        ready = [model for model in self._models() if model.status == "ready"]
        return _argilla().Dataset.from_model(ready[0], client=self._client).get() if ready else None

    def _remove_unpublished(self) -> None:
        """What a connection left that broke while a dataset was made; nobody can have answered there."""
        for model in self._models():
            if model.status == "draft":
                self._client.api.datasets.delete(model.id)

    def _check_role(self, user: argilla.User) -> None:
        role = str(getattr(user.role, "value", user.role))
        if role not in ("owner", "admin"):
            raise PipelineError(
                "This Argilla key may not manage datasets",
                key=KEY,
                found=f"{user.username}, {role}",
                expected="an owner or admin",
                hint=_KEY_HINT,
            )

    def _find_workspace(self) -> argilla.Workspace:
        workspaces = {workspace.name: workspace for workspace in self._client.workspaces}
        if self._params.workspace not in workspaces:
            raise PipelineError(
                "There is no such workspace in Argilla, or this key does not reach it",
                key="curate.argilla.workspace",
                found=self._params.workspace,
                expected=f"one of {', '.join(sorted(workspaces))}" if workspaces else "none exists yet",
                hint="Make it in Argilla (as an owner, under My settings), or name another",
            )
        return workspaces[self._params.workspace]

    def _check_form(self, dataset: argilla.Dataset) -> None:
        settings = dataset.settings
        names = {each.name for each in settings.fields} | {each.name for each in settings.questions}
        missing = sorted({*form.FIELDS, *form.QUESTIONS} - names)
        if missing:
            raise PipelineError(
                f"The dataset {dataset.name} in Argilla asks other questions",
                key="curate.argilla.dataset",
                found=f"no {', '.join(missing)}",
                hint="Questions cannot be added to a published dataset: choose a new name",
            )
        found, wanted = settings.distribution.min_submitted, self._params.min_submitted
        if found != wanted:
            raise PipelineError(
                f"The dataset {dataset.name} in Argilla asks for another number of answers",
                key="curate.argilla.min_submitted",
                found=f"{wanted} in params, {found} in Argilla",
                hint="Change it in params, or in the dataset's settings in Argilla; there it is fixed once "
                "somebody has answered",
            )


class RemoteDataset:
    """A published dataset on the server; a :class:`~pipeline.curation.argilla_push.Remote`."""

    def __init__(self, client: argilla.Argilla, dataset: argilla.Dataset, where: str, url: str) -> None:
        self._client, self._dataset, self._where, self._url = client, dataset, where, url

    @property
    def where(self) -> str:
        """Its name in the record of what was sent: workspace, name, and id on the server."""
        return self._where

    def pair_ids(self) -> set[str]:
        """Ids of the pairs it holds.

        Raises:
            BrokenConnectionError: If the answer was lost.
            PipelineError: If the dataset is no longer there.
        """
        return {record["external_id"] for record in self.records(responses=False) if record["external_id"]}

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        """Make records, or update those that are there; nobody's responses are touched.

        Args:
            records: As :func:`~pipeline.curation.argilla_records.blind_record` makes them; at most 500.

        Raises:
            BrokenConnectionError: If the answer was lost.
            PipelineError: If the dataset is no longer there or the server refuses a record.
        """
        rg = _argilla()
        made = [dataset_record(rg, record, self._dataset).api_model() for record in records]
        with _faults(self._url, can_retry=True):
            self._client.api.records.bulk_upsert(dataset_id=self._id, records=made)

    def records(self, responses: bool = True) -> Iterator[dict[str, Any]]:
        """Every record, as the server's API gives it, in the order they were made.

        Args:
            responses: Whether to bring everybody's responses.

        Raises:
            BrokenConnectionError: If an answer was lost.
            PipelineError: If the dataset is no longer there, or changed while it was read.
        """
        seen: set[str] = set()
        while True:
            page = self._page(len(seen), responses)
            ids = {record["id"] for record in page}
            if ids & seen or len(ids) < len(page):
                raise PipelineError(
                    "The dataset in Argilla changed while it was read",
                    found=self.where,
                    hint="Run it again when nobody adds or deletes records",
                )
            yield from page
            seen |= ids
            if len(page) < PAGE:
                return

    def user_names(self) -> dict[str, str]:
        """User name by user id: of everybody for an owner, of the workspace's members for an admin."""
        rg = _argilla()
        with _faults(self._url):
            try:
                users = list(self._client.users)
            except rg._exceptions.ForbiddenError:
                users = list(self._dataset.workspace.users)
        return {str(user.id): str(user.username) for user in users}

    @property
    def _id(self) -> UUID:
        identity: UUID = self._dataset.id
        return identity

    def _page(self, offset: int, responses: bool) -> list[dict[str, Any]]:
        # Its client drops the time of a response, which a decision needs: the server's API is asked itself.
        asked: dict[str, Any] = {"offset": offset, "limit": PAGE}
        if responses:
            asked["include"] = "responses"
        with _faults(self._url, can_retry=True):
            answer = self._client.http_client.get(f"/api/v1/datasets/{self._id}/records", params=asked)
            _raise_for_status(answer)
            return list(answer.json()["items"])


def _argilla() -> Any:
    """Argilla's client, which is an extra."""
    try:
        import argilla
    except ImportError as error:
        raise PipelineError(
            "Argilla's client is not installed",
            found=error,
            hint="pip install -c constraints.txt -e '.[argilla]'; without a server, `python -m pipeline "
            "curate export` and `curate review` do the same",
        ) from error
    return argilla


def _environment(name: str, expected: str, hint: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise PipelineError(
            f"The environment variable {name} is not set", key=name, expected=expected, hint=hint
        )
    return value


def _raise_for_status(answer: Any) -> None:
    """The client's own errors for a request it has no method for."""
    from argilla._exceptions import api_error_handler

    api_error_handler(answer.raise_for_status)()


@contextmanager
def _faults(url: str, can_retry: bool = False) -> Iterator[None]:
    """Turn what the client raises into one clear error."""
    import argilla._exceptions as faults
    import httpx

    try:
        yield
    except faults.SettingsError as error:
        # It wraps whatever went wrong while a dataset was being made.
        raise _said(error.__cause__ or error, url) from error
    except (faults.ArgillaError, httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError) as error:
        if can_retry and _is_broken(error):
            raise BrokenConnectionError(f"{type(error).__name__} at {url}") from error
        raise _said(error, url) from error


def _is_broken(error: Exception) -> bool:
    """Whether a request may succeed when it is made again: no answer, half of one, or a server in trouble."""
    import argilla._exceptions as faults
    import httpx

    if isinstance(error, faults.ConflictError):
        # The same records arrived twice at once: the first try was alive after all.
        return True
    if isinstance(error, faults.ArgillaAPIError):
        return bool(error.status_code >= 500)
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _said(error: BaseException, url: str) -> PipelineError:
    import argilla._exceptions as faults
    import httpx

    if isinstance(error, faults.ArgillaCredentialsError | faults.UnauthorizedError):
        return PipelineError("Argilla does not know this key", key=KEY, found=url, hint=_KEY_HINT)
    if isinstance(error, faults.ForbiddenError):
        return PipelineError(
            "Argilla forbids this to the user of this key", key=KEY, found=error, hint=_KEY_HINT
        )
    if isinstance(error, faults.NotFoundError):
        return PipelineError(
            "What was asked for is not in Argilla: the dataset was deleted, or this is no Argilla 2 server",
            key=URL,
            found=f"{url}: {error}",
            hint="`python -m pipeline curate status` says which; docs/curation-argilla.md",
        )
    if isinstance(error, httpx.TransportError | httpx.InvalidURL):
        return PipelineError(
            "No Argilla server answers",
            key=URL,
            found=f"{url}: {error or type(error).__name__}",
            hint="Start it, or correct the address; docs/curation-argilla.md shows how",
        )
    return PipelineError("Argilla refused or is no Argilla 2 server", key=URL, found=f"{url}: {error}")
