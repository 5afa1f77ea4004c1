"""Control tokens written out in people's texts: which texts hold one, or could help to make one up.

A control token is one that the tokenizer marks as special (``<|im_end|>``, ``</s>``), or uses as BOS, EOS,
padding and the like. Added tokens that are not special (``<think>``, runs of spaces) are vocabulary like any
other: responses are meant to hold them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from tokenizers.normalizers import Normalizer
from transformers import PreTrainedTokenizerFast

_BLANK = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""What ``str.strip`` takes off: templates trim contents by it."""

_RARE = "\U0010fffd \u16a0 \U00012000 \U0001fae8"
"""Characters of which a tokenizer that does not fall back on bytes lacks one."""


@dataclass(frozen=True)
class Found:
    """Places, in ascending order, of the rows of a block.

    Attributes:
        holding: Rows with a control token written out in a text.
        suspect: These, and rows with a text that could be a part of one: its begin, its end or its middle.
    """

    holding: list[int]
    suspect: list[int]


class ControlText:
    """Finds control tokens in texts.

    Args:
        tokenizer: Says which there are.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        used = {str(token) for token in tokenizer.all_special_tokens}
        added = tokenizer.added_tokens_decoder.items()
        self.ids = {
            token.content: int(place) for place, token in added if token.special or token.content in used
        }
        """Id of each control token, by how it is written."""
        rare = tokenizer.backend_tokenizer.encode(_RARE, add_special_tokens=False).ids
        self.unknown = frozenset(self.ids.values()).intersection(rare)
        """The token of what is unknown, which texts may hold; none where letters are known by their bytes."""
        self.strings = sorted(self.ids, key=lambda text: (-len(text), text))
        """How each is written, the longest first, as a tokenizer prefers them."""
        self._normalizer: Normalizer | None = tokenizer.backend_tokenizer.normalizer
        # Matched in normalised text: there they may stand for other spellings.
        self._normalized = [
            self._normalizer.normalize_str(token.content)
            for _, token in added
            if token.content in self.ids and token.normalized and self._normalizer is not None
        ]
        self.in_normal_form = bool(self._normalized)
        """Whether other spellings of a control token can be one too."""
        self._begins = {text[:end] for text in self.strings for end in range(1, len(text))}
        self._ends = {text[start:] for text in self.strings for start in range(1, len(text))}
        self._all = "\0".join(self.strings)
        self._longest = max(map(len, self.strings), default=1)

    def find(self, block: pl.DataFrame) -> Found:
        """The pairs of a block (prompt, chosen, rejected) with such texts; fast where there are none."""
        row = pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
        contents = pl.col("prompt").list.eval(pl.element().struct.field("content"))
        texts = pl.concat(
            [
                block.select(row, contents.alias("text")).explode("text", empty_as_null=False),
                block.select(row, pl.col("chosen").alias("text")),
                block.select(row, pl.col("rejected").alias("text")),
            ]
        )
        bare = pl.col("text").str.strip_chars(_BLANK)
        edge = self._longest - 1
        begun = bare.str.tail(edge).str.contains_any(sorted({text[0] for text in self.strings}))
        ended = bare.str.head(edge).str.contains_any(sorted({text[-1] for text in self.strings}))
        holds = pl.col("text").str.contains_any(self.strings)
        # All that may be: what is left is looked at closely.
        likely = texts.filter(holds | begun | ended | (bare.str.len_chars() < edge) | self.in_normal_form)
        holding: set[int] = set()
        suspect: set[int] = set()
        for place, text in likely.iter_rows():
            if self.holds(text):
                holding.add(place)
            elif self.is_part(text):
                suspect.add(place)
        return Found(sorted(holding), sorted(holding | suspect))

    def is_suspect(self, texts: Sequence[str]) -> bool:
        """Whether one of a conversation's texts holds a control token, or could be a part of one."""
        return any(self.holds(text) or self.is_part(text) for text in texts)

    def holds(self, text: str) -> bool:
        """Whether a control token is written out in a text, also where only its normal form is one."""
        if any(token in text for token in self.strings):
            return True
        if not self.in_normal_form or self._normalizer is None:
            return False
        normal = self._normalizer.normalize_str(text)
        return any(token in normal for token in self._normalized)

    def is_part(self, text: str) -> bool:
        """Whether a text, trimmed, ends as a control token begins, begins as one ends, or lies within one."""
        return any(True for _ in self.part_places(text))

    def part_places(self, text: str) -> set[int]:
        """Of each part of a control token at a text's edges the place of one character."""
        bare = text.strip()
        start = len(text) - len(text.lstrip())
        end = start + len(bare)
        sizes = range(1, min(len(bare) + 1, self._longest))
        places = {end - size for size in sizes if bare[-size:] in self._begins}
        places |= {start + size - 1 for size in sizes if bare[:size] in self._ends}
        if bare and bare in self._all:
            places.add(start)
        return places

    def places(self, text: str) -> set[int]:
        """Places of characters without which a text neither holds a control token nor is a part of one."""
        whole = {found.start() for found in self._anywhere.finditer(text)}
        return whole | self.part_places(text)

    @property
    def _anywhere(self) -> re.Pattern[str]:
        """Every place where a control token begins, overlapping ones too."""
        return re.compile(f"(?={'|'.join(map(re.escape, self.strings)) or '(?!)'})")
