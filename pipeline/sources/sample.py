"""The sample: invented preference data with planted, named defects, in the raw shape of UltraFeedback.

    index -> ask (its own, an earlier row's, a benchmark's) -> answers -> verdicts -> ratings -> row

Row i is a function of (seed, i, rates) and of nothing else: any number of rows comes in a stream of constant
memory, and a longer stream begins with the shorter one. What was planted where stands in each row's truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any

from pipeline.checks import Verdict, verify
from pipeline.prose import trigram_jaccard
from pipeline.sources.sample_benchmark import BENCHMARK_PROMPTS
from pipeline.sources.sample_instructions import SOURCE_OF, Ask, ask, stream
from pipeline.sources.sample_models import JUNK, JUNK_MODEL, MODELS, Draft, answer
from pipeline.sources.sample_ratings import Judgement, judge, uniform
from pipeline.sources.sample_wordings import VERBS

__all__ = [
    "BENCHMARK_PROMPTS",
    "BORROWED",
    "DEFAULT_RATES",
    "EXCLUSIVE",
    "NO_DEFECTS",
    "DefectRates",
    "SampleRow",
    "generate",
    "make_row",
]

NEAR_DUPLICATE_SIMILARITY = 0.7
PRINCIPLES = {
    "helpfulness": "Give the reader what they asked for.",
    "honesty": "Say only what you know, and say how sure you are.",
    "truthfulness": "Keep to facts that can be checked.",
    "verbalized_calibration": "Put your degree of confidence into words.",
}


@dataclass(frozen=True)
class DefectRates:
    """How often each defect is planted, as a share of rows unless said otherwise.

    A row has at most one of the defects down to `flipped_label`; the last two come on top of any.

    Attributes:
        tie: every completion has the same scores.
        exact_duplicate_prompt: an earlier row's instruction, perhaps in other case or spacing, answered anew.
        near_duplicate_prompt: an earlier row's instruction with one word added or changed.
        empty_response: one response is empty or blank; half of the time it keeps the lost text's scores.
        identical_responses: every completion has the same response.
        overall_score_bug: the worst completion, worth 1, is recorded as 10; its fine-grained score stays low.
        benchmark_prompt: the instruction is one of `BENCHMARK_PROMPTS`, word for word.
        few_completions: one to three completions where others have four.
        flipped_label: the scores and critique of the best and the worst completion are swapped.
        na_rating: one aspect, mostly honesty, is rated "N/A" in one or more completions.
        constant_junk: share of the junk model's answers that are the one constant string.

    Raises:
        ValueError: a rate is outside 0..1, or the rates of the exclusive defects add up to more than 1.
    """

    tie: float = 0.03
    exact_duplicate_prompt: float = 0.03
    near_duplicate_prompt: float = 0.03
    empty_response: float = 0.02
    identical_responses: float = 0.02
    overall_score_bug: float = 0.02
    benchmark_prompt: float = 0.02
    few_completions: float = 0.03
    flipped_label: float = 0.04
    na_rating: float = 0.05
    constant_junk: float = 0.12

    def __post_init__(self) -> None:
        """Refuse rates that are no shares."""
        rates = {item.name: getattr(self, item.name) for item in fields(self)}
        if wrong := [f"{name}={rate}" for name, rate in rates.items() if not 0 <= rate <= 1]:
            raise ValueError(f"defect rates must lie in 0..1: {', '.join(wrong)}")
        total = sum(rates[name] for name in EXCLUSIVE)
        if total > 1 + 1e-9:
            raise ValueError(f"rates of which a row has at most one sum to {total:.3f}, above 1: {EXCLUSIVE}")


INDEPENDENT = ("na_rating", "constant_junk")
EXCLUSIVE = tuple(item.name for item in fields(DefectRates) if item.name not in INDEPENDENT)
BORROWED = ("exact_duplicate_prompt", "near_duplicate_prompt", "benchmark_prompt")
"""The defects whose instruction is not the row's own: no later row duplicates such a row."""

DEFAULT_RATES = DefectRates()
NO_DEFECTS = DefectRates(**{item.name: 0.0 for item in fields(DefectRates)})


@dataclass(frozen=True)
class SampleRow:
    """One row: `raw` as a source file holds it, `truth` as only the maker of the row can know it."""

    raw: dict[str, Any]
    truth: dict[str, Any]


@dataclass
class _Work:
    """A row while it is made: drafts and judgements side by side, in the order of the completions."""

    index: int
    seed: int
    ask: Ask
    models: list[str]
    drafts: list[Draft]
    judged: list[Judgement] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def judge_all(self) -> None:
        """Check and rate every draft as it now stands."""
        rng = stream("ratings", self.seed, self.index)
        asked = self.ask
        self.verdicts = [verify(asked.constraint, asked.instruction, draft.text) for draft in self.drafts]
        self.judged = [
            judge(verdict, draft.stray, asked.topic.name, rng)
            for verdict, draft in zip(self.verdicts, self.drafts, strict=True)
        ]

    def extremes(self) -> tuple[int, int]:
        """Give the places of the best and the worst completion by overall score, the first among equals."""
        places = range(len(self.judged))
        best = max(places, key=lambda place: self.judged[place].overall)
        return best, min(places, key=lambda place: self.judged[place].overall)


def generate(rows: int, seed: int, rates: DefectRates = DEFAULT_RATES) -> Iterator[SampleRow]:
    """Give `rows` rows in order, one at a time.

    Raises:
        ValueError: `rows` is negative.
    """
    if rows < 0:
        raise ValueError(f"rows is {rows}, expected 0 or more")
    return (make_row(index, seed, rates) for index in range(rows))


def make_row(index: int, seed: int, rates: DefectRates = DEFAULT_RATES) -> SampleRow:
    """Give row `index`: the same whatever other rows are made."""
    defect, asked, original = _asked(index, seed, rates)
    rng = stream("answers", seed, index)
    work = _Work(index, seed, asked, *_answers(asked, rates, rng))
    if defect == "few_completions":
        _keep_few(work, rng)
    if defect == "identical_responses":
        work.drafts = [rng.choice(work.drafts)] * len(work.drafts)
    emptied = rng.randrange(len(work.drafts)) if defect == "empty_response" else None
    work.judge_all()
    if emptied is not None:
        _empty(work, emptied, rng)
    best, worst = work.extremes()
    _misrecord(work, defect, best, worst, rng)
    unrated = _unrate(work, rates)
    defects = [defect] if defect else []
    defects += ["na_rating"] if unrated else []
    defects += ["constant_junk"] if any(draft.text == JUNK for draft in work.drafts) else []
    truth = {
        "index": index,
        "kind": asked.kind,
        "topic": asked.topic.name,
        "defects": defects,
        "duplicate_of": original,
        "best_model": work.models[best],
        "worst_model": work.models[worst],
        "passed": [verdict.passed for verdict in work.verdicts],
    }
    return SampleRow(_raw(work), truth)


# --- which instruction ----------------------------------------------------------------------------


def planted(index: int, seed: int, rates: DefectRates) -> str | None:
    """Give the one exclusive defect of a row, or None."""
    drawn = stream("defect", seed, index).random()
    for name in EXCLUSIVE:
        drawn -= getattr(rates, name)
        if drawn < 0:
            # The first row has no earlier one to duplicate.
            return None if index == 0 and name in BORROWED[:2] else name
    return None


def _asked(index: int, seed: int, rates: DefectRates) -> tuple[str | None, Ask, int | None]:
    """Give a row's exclusive defect, what the row asks, and the earlier row it took that from."""
    defect = planted(index, seed, rates)
    if defect not in BORROWED:
        return defect, ask(index, seed), None
    rng = stream("borrowed", seed, index)
    if defect == "benchmark_prompt":
        return defect, rng.choice(BENCHMARK_PROMPTS), None
    original = _earlier(index, seed, rates, rng)
    if original is None:
        return None, ask(index, seed), None
    taken = ask(original, seed)
    respell = _respaced if defect == "exact_duplicate_prompt" else _reworded
    return defect, replace(taken, instruction=respell(taken.instruction, rng)), original


def _earlier(index: int, seed: int, rates: DefectRates, rng: Random) -> int | None:
    """Draw an earlier row that asks an instruction of its own; None where hardly any does."""
    for original in (*(rng.randrange(index) for _ in range(50)), 0):
        if planted(original, seed, rates) not in BORROWED:
            return original
    return None


def _respaced(text: str, rng: Random) -> str:
    """Give the same words, half of the time in other case or spacing."""
    return rng.choice((text, text, text, text.lower(), text.replace(" ", "  "), f"{text}\n"))


def _reworded(text: str, rng: Random) -> str:
    """Give the text with one word added or changed, close enough for a detector at the stated similarity."""
    changed = [f"{text} {word}" for word in ("Thanks!", "Please.", "Cheers!")]
    if text.startswith(VERBS):
        changed += [f"Please {text[0].lower()}{text[1:]}", f"Now {text[0].lower()}{text[1:]}"]
    if text.endswith("."):
        changed.append(f"{text[:-1]} today.")
    swapped = rng.choice(("Present", "Cover", "Sketch")) + text[text.index(" ") :]
    if text.startswith(("Describe", "Explain", "Introduce")):
        changed += [swapped, swapped]
    rng.shuffle(changed)
    return next(other for other in changed if trigram_jaccard(text, other) >= NEAR_DUPLICATE_SIMILARITY)


# --- answers and what goes wrong with them --------------------------------------------------------


def _answers(asked: Ask, rates: DefectRates, rng: Random) -> tuple[list[str], list[Draft]]:
    """Give the models in shuffled order and what each of them says."""
    models = rng.sample(MODELS, len(MODELS))
    drafts = [answer(model, asked, rng) for model in models]
    if rng.random() < rates.constant_junk:
        drafts[models.index(JUNK_MODEL)] = Draft(JUNK)
    return models, drafts


def _keep_few(work: _Work, rng: Random) -> None:
    kept = sorted(rng.sample(range(len(work.models)), rng.randint(1, len(work.models) - 1)))
    work.models = [work.models[place] for place in kept]
    work.drafts = [work.drafts[place] for place in kept]


def _empty(work: _Work, place: int, rng: Random) -> None:
    """Lose one response after it was rated; half of the time the ratings stay behind."""
    scored = work.judged[place]
    work.drafts[place] = Draft(rng.choice(("", " ", "\n")))
    work.judge_all()
    if rng.random() < 0.5:
        work.judged[place] = scored


def _misrecord(work: _Work, defect: str | None, best: int, worst: int, rng: Random) -> None:
    """Plant the defects that leave the responses alone and record wrong scores for them."""
    judged = work.judged
    if defect == "tie":
        same = uniform(rng.choice((3, 4, 4)), "Fair in parts; hard to tell from the others.")
        work.judged = [same] * len(judged)
    elif defect == "overall_score_bug":
        judged[worst] = replace(uniform(1, judged[worst].critique), overall=10.0)
    elif defect == "flipped_label":
        judged[best], judged[worst] = judged[worst], judged[best]


def _unrate(work: _Work, rates: DefectRates) -> bool:
    """Take one aspect's rating from some completions; tell whether that was done."""
    rng = stream("unrated", work.seed, work.index)
    if rng.random() >= rates.na_rating:
        return False
    aspect = "honesty" if rng.random() < 0.8 else "truthfulness"
    places = range(len(work.judged))
    for place in rng.sample(places, rng.randint(1, len(places))):
        work.judged[place] = work.judged[place].without(aspect)
    return True


def _raw(work: _Work) -> dict[str, Any]:
    rng = stream("principles", work.seed, work.index)
    return {
        "source": SOURCE_OF[work.ask.kind],
        "instruction": work.ask.instruction,
        "models": list(work.models),
        "completions": [
            _completion(*parts, principle=rng.choice(list(PRINCIPLES)))
            for parts in zip(work.models, work.drafts, work.judged, strict=True)
        ],
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
        "constraint": work.ask.constraint.to_dict(),
    }


def _completion(model: str, draft: Draft, judged: Judgement, principle: str) -> dict[str, Any]:
    return {
        "model": model,
        "principle": principle,
        "custom_system_prompt": PRINCIPLES[principle],
        "response": draft.text,
        "annotations": judged.annotations(),
        "critique": judged.critique,
        "overall_score": judged.overall,
        "fine-grained_score": judged.fine_grained,
    }
