"""What fields are usually called. A name that is found here needs no mapping in ``source.columns``.

Names are compared folded (:func:`fold_name`): ``responseA``, ``response-a``, ``Response A`` and
``response_a`` are one name. Tables are tuples of tiers: a name of an earlier tier is preferred to one of a
later tier, and two names of one tier fit equally well, which is an error unless they hold the same values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Tiers = tuple[tuple[str, ...], ...]


def fold_name(name: str) -> str:
    """A name without letter case and separators."""
    return re.sub(r"[\W_]+", "", name.casefold())


def folded(names: Iterable[str]) -> frozenset[str]:
    """The folded names."""
    return frozenset(map(fold_name, names))


CONVERSATIONS = (
    "conversations",
    "messages",
    "conversation",
    "context",
    "dialogue",
    "dialog",
    "chat",
    "turns",
)
"""Multi-turn prompts; beside another prompt they are something else."""

PROMPT: Tiers = (
    ("prompt",),
    (
        *("instruction", "question", "query", "input", "problem", "request", "task", "post"),
        *("user_prompt", "user_input", "user_message", "user_query", "user", "human", "prompt_text"),
    ),
    CONVERSATIONS,
    ("history",),
)
SYSTEM: Tiers = (("system_prompt", "system", "system_message", "system_instruction"),)
ALPACA_PROMPT, ALPACA_CONTEXT = "instruction", "input"
"""Alpaca's two halves of a prompt: the second is context under the first."""

HISTORY: Tiers = (("history", "chat_history", "conversation_history", "dialogue_history"),)
SOURCE: Tiers = (("source", "data_source", "dataset", "dataset_name"), ("subset", "origin"))

SIDES = (
    *(("chosen", "rejected"), ("preferred", "dispreferred"), ("preferred", "rejected")),
    *(("preferred", "unpreferred"), ("preferred", "non_preferred"), ("winner", "loser"), ("win", "lose")),
    *(("winning", "losing"), ("accepted", "rejected"), ("accepted", "declined"), ("positive", "negative")),
    *(("pos", "neg"), ("better", "worse"), ("best", "worst"), ("good", "bad"), ("favored", "disfavored")),
    *(("favoured", "disfavoured"), ("y_w", "y_l"), ("selected", "rejected")),
)
"""Words for the preferred response and for the other one."""

RESPONSE_WORDS = (
    *(
        "response",
        "answer",
        "completion",
        "output",
        "text",
        "reply",
        "candidate",
        "generation",
        "conversation",
    ),
    *("message", "messages", "option", "choice", "summary", "result", "continuation", "assistant"),
    *("model_output", "model_response", "model_answer", "assistant_response", "generated_text"),
)
"""Words for a response, alone or with what tells it from the others: ``response_a``, ``chosen_response``."""

SUFFIXES = (
    tuple("abcdefghij"),
    tuple("0123456789"),
    tuple("123456789"),
    ("first", "second", "third", "fourth"),
    ("one", "two", "three", "four"),
    ("left", "right"),
)
"""What tells responses of a row from each other, in their order."""

LISTS: Tiers = (
    (
        *("completions", "responses", "answers", "generations", "candidates", "outputs", "replies"),
        *("choices", "continuations", "model_outputs", "model_responses", "model_answers"),
    ),
)
"""Lists of responses, or of objects that hold one each."""

SCORE_WORDS: Tiers = (
    ("overall_score", "score"),
    (
        "rating",
        "reward",
        "avg_rating",
        "average_rating",
        "overall_rating",
        "points",
        "grade",
        "quality",
        "stars",
    ),
)
RANK_WORDS: Tiers = (("rank", "ranking", "position", "place"),)
MODEL_WORDS: Tiers = (("model", "model_name", "generation_model", "generator", "model_id", "llm"),)
TEXT_KEYS: Tiers = (
    (
        "response",
        "text",
        "content",
        "completion",
        "output",
        "answer",
        "generation",
        "generated_text",
        "value",
    ),
)
"""The text in an object that holds one response."""

LABEL: Tiers = (
    (
        *(
            "label",
            "labels",
            "winner",
            "preference",
            "preferred",
            "choice",
            "vote",
            "better",
            "best",
            "verdict",
        ),
        *("judgment", "judgement", "better_response_id", "better_response", "best_response", "better_id"),
        *("best_id", "best_index", "better_index", "best_response_id", "chosen", "chosen_index", "selected"),
        *("human_preference", "human_label", "preferred_response", "winner_index", "winning_response"),
        *("overall_preference", "preference_strength", "annotator_preference", "gold_label"),
    ),
)
SIGNED_LABELS = ("overall_preference", "preference_strength")
"""HelpSteer's names for signed strengths: below 0 the first response is better."""

TRUTH_WORDS = (
    *("is_better", "is_best", "is_preferred", "is_chosen", "is_winner", "better", "best", "preferred"),
    *("wins", "won", "win", "winner", "chosen"),
)
"""Words that make a field the truth of one response having won: ``a_is_better``, ``winner_model_a``."""

TIE_NAMES = ("winner_tie", "tie", "is_tie", "draw", "tied")

RESPONSE: Tiers = (
    (
        *("response", "completion", "output", "answer", "reply", "generation", "generated_text"),
        *("model_output", "model_response", "model_answer", "assistant_response", "assistant"),
    ),
    ("text",),
)
RATING: Tiers = (
    (
        *("rating", "score", "label", "thumbs", "feedback", "reward", "overall_score", "overall_rating"),
        *("stars", "grade", "vote", "user_feedback", "user_rating", "thumb", "thumbs_up", "liked", "like"),
        *("is_good", "upvoted", "human_rating", "quality", "desirable", "is_helpful", "helpful", "kto_tag"),
    ),
)

FIRST_WON = ("a", "first", "left", "one", "response_a", "model_a", "answer_a", "assistant_a", "output_a")
SECOND_WON = ("b", "second", "right", "two", "response_b", "model_b", "answer_b", "assistant_b", "output_b")
NEITHER_WON = (
    *("tie", "tied", "ties", "draw", "equal", "equally_good", "both", "neither", "same", "no_preference"),
    *("tie (bothbad)", "bothbad", "both_bad", "both_good", "tie_bothgood", "tie_both_bad", "equal_quality"),
)
"""Labels in words, compared folded."""

GOOD = (
    *("up", "thumbs_up", "thumbsup", "good", "positive", "like", "liked", "yes", "true", "upvote", "upvoted"),
    *("desirable", "accept", "accepted", "helpful", "\N{THUMBS UP SIGN}", "+1"),
)
BAD = (
    *("down", "thumbs_down", "thumbsdown", "bad", "negative", "dislike", "disliked", "no", "false"),
    *("downvote", "downvoted", "undesirable", "reject", "rejected", "unhelpful", "\N{THUMBS DOWN SIGN}"),
)
"""Ratings in words: 1 and 0."""

SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter", "client", "customer"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bot", "model", "ai", "bard", "bing", "claude"), "assistant"
    ),
    "system": "system",
}
"""Who speaks in a message, as datasets say it, and as chat templates do."""

TOOL_SPEAKERS = (
    "tool",
    "function",
    "observation",
    "function_call",
    "function_response",
    "tool_call",
    "ipython",
)
MESSAGE_KEYS = (
    *(("role", "content"), ("from", "value"), ("role", "value"), ("from", "content")),
    *(("role", "text"), ("speaker", "text"), ("author", "content")),
)
"""What a message calls its speaker and its text."""

METADATA = folded(
    (
        *("id", "idx", "index", "uid", "uuid", "row_id", "prompt_id", "pair_id", "sample_id", "example_id"),
        *("language", "lang", "split", "timestamp", "date", "created_at", "url", "license", "hash", "md5"),
        *("category", "domain", "topic", "tags", "annotator", "judge", "turn", "user_id", "session_id"),
        *("source", "dataset", "subset", "origin", "data_source", "dataset_name", "system", "system_prompt"),
    )
)
"""Fields that surely are no prompt."""
