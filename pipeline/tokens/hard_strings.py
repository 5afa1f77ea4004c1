"""Texts on which encoders are known to differ."""

from __future__ import annotations

from itertools import product

from transformers import PreTrainedTokenizerFast

HARD_STRINGS = (
    "",
    " ",
    "  ",
    "\n",
    "\n\n\n a\n\n b \n",
    "\t\tif x:\r\n\t\t\treturn  1\r",
    "a" * 300,
    "ab" * 4000,
    " " * 257 + "x" + " " * 130,
    "!" * 64 + "?" * 65 + "-" * 257,
    "it's IT'S don'T we'LL they’re I'm'm",
    "0123456789 1,234.56 1e-9 0x1F ٣٤٥ ４５６ ½ Ⅷ",
    "Grüße, naïve café — „Zitat“ …",
    "e\u0301 \u00e9 A\u030a \u00c5 \u1100\u1161\u11a8 \uac01 ﬁ ﬀ ① ﷺ",
    "中文字符，日本語のテキスト、한국어 텍스트。ไทยไม่มีช่องว่าง",
    "שלום עולם العربية \u200f\u200e हिन्दी বাংলা",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 ❤️ \ufe0f",
    "zero\u200bwidth\u200d\ufeff soft\u00adhyphen nb\u00a0sp \u2003em\u3000id \u2028 \u2029 \x85",
    "\x00\x01\x1b[0m\x7f \x1c\x1d",
    "\x04. \x16- \x1d« \x0c're \x0b'd \t's",
    "\ufffd \U0010ffff \ue000 \ud7ff",
    "{{ messages }} {% if x %} </s> <s> <unk> <|endoftext|> <|im_end|> <0x0A> ▁ Ġ Ċ",
    "https://example.org/a?b=c&d=%20#e user@host C:\\dir\\file __init__ --flag=x.y",
    "$$\\frac{a}{b} \\le \\sum_{i=0}^{n} x_i^2$$ `code` **bold** | a | b |",
    "ǅ ß ẞ İ ı ſ K Å ΑΣ σς",
)
"""Runs, whitespace, contractions, digits, combining and wide letters, emoji, controls, what looks special."""

_PIECES = (" ", "\t", "\n", "\u00a0", "'", "s", "T", "ll", "1", ".", "é", "漢", "😀", "\u0301")
"""Every three of these stand side by side in a text: rules that part words meet at such places."""

_MOST_SPECIAL = 32
"""Special tokens of a tokenizer that are tried; some have hundreds of the same kind."""


def hard_strings(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The fixed texts, every three of the pieces, and the tokenizer's special tokens.

    Of :data:`HARD_STRINGS` each comes also between two words; EOS is one of the pieces; special tokens stand
    alone and within texts.
    """
    threes = map("".join, product([*_PIECES, str(tokenizer.eos_token)], repeat=3))
    around = [f"word{text}word" for text in HARD_STRINGS]
    tokens = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    tokens = tokens[: _MOST_SPECIAL // 2] + tokens[-_MOST_SPECIAL // 2 :]
    forms = ("{0}", "a{0}b", "a {0} b", "\n{0}\n{0}")
    special = [form.format(token) for token in tokens for form in forms]
    return [*HARD_STRINGS, *around, *threes, *special]
