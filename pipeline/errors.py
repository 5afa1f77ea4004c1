"""The one error a person is meant to read: what is wrong, where, and what to do next."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.os_faults import is_out_of_memory, os_error_in, os_error_words
from pipeline.signals import Ended, ending_signals_raise

TRACEBACK = "PIPELINE_TRACEBACK"
"""Set this environment variable to 1 to see the traceback of a foreseen fault too."""

_STOPPED = "stopped; what the stage made before is as it was"

_MEMORY_HINT = (
    "What was made before is as it was. Close other programs or take a larger machine; for the stages with a "
    "model lower train.micro_batch_tokens, evaluate.batch_pairs or benchmarks.batch_prompts"
)
_USER_INFO = re.compile(r"(?<=://)[^/?#\s\"'<>\\]+(?=@)")
_SECRET_FIELD = re.compile(
    r"([?&;#](?:[\w.-]*(?:token|key|secret|signature|password|passwd|credential|auth)[\w.-]*|sig|pwd)=)"
    r"[^&;#\s\"'<>\\]+",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_SHORTEST_SECRET = 8
"""Characters; a shorter value may be an ordinary word."""


def redacted(text: str) -> str:
    """The text with ``***`` for what URLs in it tell of secrets.

    That is who is logged in (``https://user:password@host``), and the values of query fields whose names
    speak of a token, key, secret, signature, password or credential. A URL goes through this before it is
    recorded or shown.
    """
    return _SECRET_FIELD.sub(r"\1***", _USER_INFO.sub("***", text))


def without_secrets(text: str) -> str:
    """As :func:`redacted`, and ``***`` for the values of environment variables named like a secret's.

    For what other programs said: a server may repeat the key it was given.
    """
    text = redacted(text)
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_VARIABLE.search(name.upper()):
            text = text.replace(value, "***")
    return text


class PipelineError(Exception):
    """A fault in input, params or artifacts, said in one paragraph, without secrets.

    Stages print it without a traceback and exit with status 1.

    Args:
        problem: What is wrong, in a few words.
        file: The file it was found in, as the user named it.
        row: 1-based row (line) number within the file.
        column: Column or field name.
        key: Dotted params key.
        found: What was found; shortened when long.
        expected: What would have been right.
        hint: What to do next, as an instruction.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        row: int | str | None = None,
        column: str | None = None,
        key: str | None = None,
        found: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = redacted(str(file)) if file is not None else None
        self.row = row
        self.column = column
        self.key = key
        self.found = None if found is None else shorten(without_secrets(str(found)))
        self.expected = expected
        self.hint = hint
        super().__init__(self.paragraph())

    def paragraph(self) -> str:
        """The error as one paragraph of plain text, without secrets."""
        places = [
            f"{name} {value}"
            for name, value in (
                ("file", self.file),
                ("row", self.row),
                ("column", self.column),
                ("key", self.key),
            )
            if value is not None
        ]
        text = self.problem.rstrip(".")
        if places:
            text += f" ({', '.join(places)})"
        text += "."
        if self.found is not None:
            text += f" Found: {self.found.rstrip('.')}."
        if self.expected is not None:
            text += f" Expected: {self.expected.rstrip('.')}."
        if self.hint is not None:
            text += f" {self.hint.rstrip('.')}."
        return without_secrets(text)


def shorten(text: str, limit: int = 160) -> str:
    """Text folded onto one line, at most ``limit`` characters; a longer one ends in an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


@contextmanager
def foreseen_faults() -> Iterator[None]:
    """Run a block as a program: a foreseen fault is printed as one paragraph and ends the process.

    A :class:`PipelineError`, what the operating system refuses (disk full, no permission) and a lack of
    memory are printed to standard error without a traceback, unless :data:`TRACEBACK` asks for it. SIGTERM
    and SIGHUP raise in the block, as Ctrl-C does. Any other exception is a fault in the code and goes
    through.

    Raises:
        SystemExit: With status 1 after a foreseen fault, 130 after Ctrl-C, 143 after SIGTERM, 129 after
            SIGHUP.
    """
    try:
        with ending_signals_raise():
            yield
    except KeyboardInterrupt:
        print(_STOPPED, file=sys.stderr)
        sys.exit(130)
    except Ended:
        print(_STOPPED, file=sys.stderr)
        raise
    except BaseException as error:
        words = _words(error)
        if words is None or os.environ.get(TRACEBACK) == "1":
            raise
        print(f"error: {words.paragraph()}", file=sys.stderr)
        sys.exit(1)


def as_fault(error: PipelineError | OSError) -> PipelineError:
    """The error itself, or what the operating system refused as one that a person can read."""
    return error if isinstance(error, PipelineError) else _refusal(error)


def _words(error: BaseException) -> PipelineError | None:
    """The paragraph for a foreseen fault; None for any other."""
    cause = error.__cause__ or error if isinstance(error, PipelineError) else error
    if is_out_of_memory(
        cause
    ):  # Also where a file was said to be broken: for want of memory it was not read.
        found = str(cause) or type(cause).__name__
        return PipelineError("There is not enough memory", found=found, hint=_MEMORY_HINT)
    if isinstance(error, PipelineError):
        return error
    refused = os_error_in(error)
    return None if refused is None else _refusal(refused)


def _refusal(refused: OSError) -> PipelineError:
    problem, hint = os_error_words(refused)
    found = refused.strerror or str(refused) or type(refused).__name__
    return PipelineError(problem, file=refused.filename, found=found, hint=hint)
