"""The ``alpaca-eval`` package: the only place that imports it, when needed and without its side effects.

Taken from it as they are: the judges' prompts, settings and parsers (``evaluators_configs``), the win rate
and the length-controlled win rate (arXiv 2404.04475).
"""

from __future__ import annotations

import importlib
import logging
import math
import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.judge_cache import Message, Reply

EVALUATORS = {1: "alpaca_eval_gpt4", 2: "weighted_alpaca_eval_gpt4_turbo"}
"""The evaluator that each version of AlpacaEval is published with."""

REFERENCES = {1: "text_davinci_003", 2: "gpt4_1106_preview"}
"""The model that each version compares with."""

PARSERS = ("ranking_parser", "logprob_parser")
"""The parsers that the evaluators use."""

_PARSE_FAULTS = (ValueError, AssertionError, KeyError, IndexError, TypeError, AttributeError)
_NOT_REQUESTED = ("model_name",)


@dataclass(frozen=True)
class Evaluator:
    """How one version of AlpacaEval asks its judge.

    Attributes:
        name: The evaluator's name, which annotations bear.
        model: The model it is published with.
        settings: Fields of every request.
        template: The conversation, with ``{instruction}``, ``{output_1}`` and ``{output_2}`` to fill in.
        parse: The verdict in a reply, from 1 (the first answer is better) to 2 (the second); None if none.
    """

    name: str
    model: str
    settings: dict[str, Any]
    template: tuple[Message, ...]
    parse: Callable[[Reply], float | None]

    def messages(self, instruction: str, first: str, second: str) -> tuple[Message, ...]:
        """The conversation that asks which of two answers is better.

        Only the template is split into messages and searched for places to fill in: chat markers or braces
        within an answer stay text.
        """
        texts = {"{instruction}": instruction, "{output_1}": first, "{output_2}": second}
        place = re.compile("|".join(map(re.escape, texts)))
        return tuple(
            {"role": part["role"], "content": place.sub(lambda found: texts[found[0]], part["content"])}
            for part in self.template
        )


def load_evaluator(version: int) -> Evaluator:
    """The evaluator of AlpacaEval 1 or 2, as the package configures it.

    Raises:
        PipelineError: If the package is not installed.
    """
    name = EVALUATORS[version]
    folder = _package_folder() / "evaluators_configs"
    config = yaml.safe_load((folder / name / "configs.yaml").read_text(encoding="utf-8"))[name]
    settings = dict(config["completions_kwargs"])
    template = (folder / config["prompt_template"]).read_text(encoding="utf-8")
    return Evaluator(
        name=name,
        model=settings["model_name"],
        settings={key: value for key, value in settings.items() if key not in _NOT_REQUESTED},
        template=_chat(template),
        parse=_parser(config["fn_completion_parser"], config.get("completion_parser_kwargs") or {}),
    )


def shows_reference_second(instruction: str) -> bool:
    """Whether the package shows the model's answer first and the reference's second.

    It shows a pair in one order or the other by a draw that the instruction decides
    (``RandomSwitchTwoColumnsProcessor``, with the annotator's default seed 0).
    """
    return random.Random(f"is_switched_outputs{instruction}0").choices([False, True], k=1)[0]


@contextmanager
def alpaca_eval(module: str) -> Iterator[ModuleType]:
    """A module of the package, for one block.

    Importing it sets the root logger's level, and fitting sets scikit-learn's global configuration and warns
    of what scikit-learn 1.10 will refuse: all that is undone or silenced here.

    Raises:
        PipelineError: If the package, or what it needs, is not installed.
    """
    _package_folder()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # The package sets the level when it is imported, once: what it says below warnings is left out.
            loaded = importlib.import_module(f"alpaca_eval.{module}")
            sklearn = importlib.import_module("sklearn")
        except ImportError as error:
            raise _not_installed(str(error)) from error
        root.setLevel(max(level, logging.WARNING))
        try:
            with sklearn.config_context():
                yield loaded
        finally:
            root.setLevel(level)
            for handler in [handler for handler in root.handlers if handler not in handlers]:
                root.removeHandler(handler)


def _package_folder() -> Path:
    spec = find_spec("alpaca_eval")
    if spec is None or spec.origin is None:
        raise _not_installed("no module alpaca_eval")
    return Path(spec.origin).parent


def _not_installed(found: str) -> PipelineError:
    return PipelineError(
        "AlpacaEval needs the alpaca-eval package",
        found=found,
        expected="the extra judge, which also keeps setuptools below 81 (alpaca-eval imports pkg_resources)",
        hint="Run: pip install -c constraints.txt -e '.[judge]'",
    )


def _chat(template: str) -> tuple[Message, ...]:
    """The messages of a ChatML text."""
    found = re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", template, flags=re.DOTALL)
    return tuple({"role": role, "content": content.strip()} for role, content in found)


def _parser(name: str, arguments: Mapping[str, Any]) -> Callable[[Reply], float | None]:
    if name not in PARSERS:
        raise ValueError(f"an evaluator with the parser {name}")
    with alpaca_eval("completion_parsers") as parsers:
        package_parser = getattr(parsers, name)
    # logprob_parser reads the choice as the endpoint sent it, ranking_parser its text.
    by_logprobs = name == "logprob_parser"
    logging.getLogger().addFilter(_said_elsewhere)

    def parse(reply: Reply) -> float | None:
        try:
            found = package_parser({"logprobs": reply.logprobs} if by_logprobs else reply.text, **arguments)
        except _PARSE_FAULTS:
            return None
        verdict = float(found[0]) if len(found) == 1 else math.nan
        return verdict if 1 <= verdict <= 2 else None

    return parse


def _said_elsewhere(record: logging.LogRecord) -> bool:
    """Leaves out what the package logs of each reply it cannot read, its whole text: it is counted."""
    return Path(record.pathname).parts[-2:] != ("alpaca_eval", "completion_parsers.py")
