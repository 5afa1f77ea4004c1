"""``benchmarks``: published benchmarks, and the judge that some of them need."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from pipeline.params.section import OptionalLimit, PositiveInt, Section, Weight


class BenchmarkHubParams(Section):
    """Where on the hub a benchmark's prompts lie, when its ``path`` is null."""

    repo: str = Field("google/IFEval", description="Dataset repository.")
    revision: str = Field(
        "966cd89545d6b6acfd7638bc708b98261ca58e84",
        description="Commit, tag or branch.",
    )
    file: str = Field("ifeval_input_data.jsonl", description="The JSON Lines file with the prompts.")


class IFEvalParams(Section):
    """IFEval, arXiv 2311.07911: instructions whose fulfilment code can check. Needs the extra ``ifeval``."""

    enabled: bool = Field(False, description="Run it in stage benchmark.")
    path: str | None = Field(None, description="JSON Lines file of the prompts; null: the hub.")
    hub: BenchmarkHubParams = BenchmarkHubParams()
    limit: OptionalLimit = Field(None, description="Prompts to draw; null: all 541.")
    seed: int = Field(0, description="Salt of the draw, which depends on the prompts' keys alone.")
    max_new_tokens: PositiveInt = Field(1280, description="Tokens an answer may have; lm-eval's limit.")


class JudgeParams(Section):
    """The language model that judges answers, behind any OpenAI-compatible chat-completions endpoint."""

    base_url: str = Field(
        "https://api.openai.com/v1",
        description="Address of the endpoint, up to and without /chat/completions.",
    )
    model: str | None = Field(
        None, description="The endpoint's name of the model; null: the one each benchmark is published with."
    )
    key_variable: str | None = Field(
        "OPENAI_API_KEY",
        description="Name of the environment variable that holds the key; null: no key is sent.",
    )
    concurrency: PositiveInt = Field(8, description="Calls under way at once.")
    timeout: float = Field(120.0, gt=0, description="Seconds without a byte after which a call is given up.")
    retries: int = Field(6, ge=0, description="Further tries of a call that failed in a way that may pass.")
    backoff_first: float = Field(
        1.0, ge=0, description="Seconds before the first of them; doubles each time."
    )
    backoff_most: float = Field(
        60.0, ge=0, description="Longest such wait in seconds; Retry-After may be longer."
    )
    seed: int = Field(0, description="Seed of the waits' jitter.")
    attempts: PositiveInt = Field(
        3, description="Replies without a verdict after which a question is counted as unparseable."
    )
    give_up_after: PositiveInt = Field(
        20, description="Questions in a row without any reply after which the run stops."
    )
    prompt_price: Weight | None = Field(None, description="Price of a million prompt tokens.")
    reply_price: Weight | None = Field(None, description="Price of a million reply tokens.")
    max_cost: Weight | None = Field(
        None,
        description="The most that judging one model on one benchmark may cost; null: no limit.",
    )

    @model_validator(mode="after")
    def _names_no_secret(self) -> JudgeParams:
        # The values are not repeated in the errors: they may be the secret itself.
        address = urlsplit(self.base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError("base_url must be an http or https address")
        if address.username or address.password or address.query or address.fragment:
            raise ValueError("base_url must hold neither a user, a password nor a query: name a key_variable")
        if self.key_variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", self.key_variable):
            raise ValueError("key_variable is the name of an environment variable (A-Z, 0-9, _), not the key")
        return self


class AlpacaEvalParams(Section):
    """AlpacaEval: a judge prefers the model's answer or a reference model's. Needs the extra ``judge``."""

    enabled: bool = Field(False, description="Run it in stage benchmark.")
    version: Literal[1, 2] = Field(
        2,
        description="1: GPT-4 ranks, against text_davinci_003; 2: GPT-4 Turbo, by log-probabilities.",
    )
    reference: str | None = Field(
        None,
        description="JSON file of the reference answers, with instruction, output, generator, dataset; its "
        "instructions are the prompts. Null: the version's own, from the hub.",
    )
    length_control: str | None = Field(
        None,
        description="The package's df_gamed.csv for the length-controlled win rate; null: the hub's, or else "
        "what is recovered of it.",
    )
    limit: OptionalLimit = Field(None, description="Prompts to draw; null: all 805.")
    seed: int = Field(0, description="Salt of the draw, which depends on the instructions alone.")
    max_new_tokens: PositiveInt = Field(2048, description="Tokens an answer may have.")
    swap_positions: bool = Field(
        False, description="Judge every pair in both orders, at twice the cost; reports the position bias."
    )


class MTBenchParams(Section):
    """MT-Bench, arXiv 2306.05685: 80 questions of two turns, each answer graded from 1 to 10."""

    enabled: bool = Field(False, description="Run it in stage benchmark.")
    questions: str | None = Field(
        None, description="JSON Lines file: question_id, category, turns. Needed when enabled."
    )
    references: str | None = Field(
        None,
        description="JSON Lines file of the reference answers that math, reasoning and coding are judged by: "
        "question_id, choices. Needed when enabled.",
    )
    max_new_tokens: PositiveInt = Field(
        1024, description="Tokens a turn may be answered with; FastChat's limit."
    )

    @model_validator(mode="after")
    def _has_questions(self) -> MTBenchParams:
        if self.enabled and (self.questions is None or self.references is None):
            raise ValueError("MT-Bench needs the files of its questions and references")
        return self


class BenchmarksParams(Section):
    """Published benchmarks, run by stage benchmark; each is off unless enabled."""

    models: list[str] | None = Field(
        None, description="Names of the models to run, such as [trained]; null: every model there is."
    )
    batch_prompts: PositiveInt = Field(32, description="Prompts answered at once.")
    dtype: Literal["bf16", "float32"] = Field("bf16", description="Type of the weights that generate.")
    ifeval: IFEvalParams = IFEvalParams()
    judge: JudgeParams = JudgeParams()
    alpacaeval: AlpacaEvalParams = AlpacaEvalParams()
    mtbench: MTBenchParams = MTBenchParams()
