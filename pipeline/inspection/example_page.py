"""Rendered pairs on the page: what is trained on is marked, what steers a terminal is shown as a sign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from pipeline.inspection.examples import Example, Segment
from pipeline.visible import visible

OPEN, CLOSE = "⟦", "⟧"
"""Around what is trained on, where there is no colour."""

_TRAINED = "bold green"
_INDENT = "    "
_SIGNS = str.maketrans({mark: f"⟨U+{ord(mark):04X}⟩" for mark in (OPEN, CLOSE)})

_HEAD, _TAIL = 400, 200
"""Characters shown of the beginning and the end of a longer text."""


def example_parts(examples: Sequence[Example], tokenizer: str | None, in_colour: bool) -> Iterator[Text]:
    """What to print of pairs.

    Args:
        examples: The pairs.
        tokenizer: Where the tokenizer and its chat template lie; None: the texts are not rendered by one.
        in_colour: Whether trained tokens are coloured; else they stand between :data:`OPEN` and
            :data:`CLOSE`, which a text's own are then no longer mistaken for.
    """
    mark = "is in colour" if in_colour else f"stands between {OPEN} and {CLOSE}"
    if tokenizer is None:
        yield Text(
            "The base model is not here yet, so these are the bare texts: `dvc repro pull_model` brings it. "
            f"What is trained on {mark}."
        )
    else:
        yield Text(f"By the chat template of {visible(tokenizer)}; what is trained on {mark}.")
    for number, example in enumerate(examples, start=1):
        for place, name in enumerate(("prompt", "chosen", "rejected")):
            size = f", {example.tokens[place]:,} tokens" if example.tokens else ""
            yield Text(f"{number}. {name}{size}", style="bold" if not place else "")
            yield _marked(getattr(example, name), in_colour)


def _marked(segments: Sequence[Segment], in_colour: bool) -> Text:
    text = Text(_INDENT)
    for segment in segments:
        shown = visible(_shortened(segment.text)).replace("\n", f"\n{_INDENT}")
        if in_colour:
            text.append(shown, style=_TRAINED if segment.trained else "")
        else:
            bare = shown.translate(_SIGNS)
            text.append(f"{OPEN}{bare}{CLOSE}" if segment.trained else bare)
    return text


def _shortened(text: str) -> str:
    left = len(text) - _HEAD - _TAIL
    if left <= 0:
        return text
    return f"{text[:_HEAD]} [... {left:,} characters more ...] {text[-_TAIL:]}"
