"""What each stage did with a few rows and pairs, as far as stages have been run (:mod:`pipeline.trace`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.lookup import find_rows
from pipeline.schema import (
    CHANGED_PAIRS,
    CLUSTERED_PAIRS,
    COMPLETIONS,
    DECISIONS,
    EVALUATED_PAIRS,
    FLIPPED_PAIRS,
    GENERATIONS,
    GREEDY,
    LEDGER,
    PAIRS,
    SPLIT_PAIRS,
    SPLITS,
    Table,
)

Row = dict[str, Any]

KEPT, DROPPED = "kept", "dropped"
NOT_REACHED, NOT_RUN, LOST = "not reached", "not run", "neither kept nor dropped"

PAIR_STAGES = ("filter", "decontaminate", "dedupe", "curate", "split", "tokenize", "evaluate")
"""The stages a pair goes through once it is made."""

_PAIR_TABLES = {
    "filter": PAIRS,
    "decontaminate": PAIRS,
    "dedupe": CLUSTERED_PAIRS,
    "curate": CLUSTERED_PAIRS,
}


@dataclass(frozen=True)
class Step:
    """What one stage did with a row or a pair.

    Attributes:
        stage: The stage.
        outcome: kept, dropped, not reached (it left before), not run, or neither kept nor dropped, as may be
            where stages were run on different data.
        reason: Why it was dropped.
        facts: What else there is to say, by name; JSON-able.
    """

    stage: str
    outcome: str
    reason: str | None = None
    facts: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Asides:
    """What lies outside the stages' tables.

    Attributes:
        benchmark_prompt: The text of a benchmark's item, by what the ledger calls it; None if unknown.
    """

    benchmark_prompt: Callable[[str], str | None]


class Artifacts:
    """The stages' artifacts under a project's top folder.

    Args:
        root: The project's top folder.
        asides: What lies outside of them.
    """

    def __init__(self, root: Path, asides: Asides) -> None:
        self.data = root / "data"
        self._asides = asides

    def has_run(self, stage: str) -> bool:
        """Whether a stage's artifacts are there."""
        name = "pairs.parquet" if stage == "evaluate" else "ledger.parquet"
        return (self.data / stage / name).is_file()

    def rows(
        self,
        stage: str,
        table: Table,
        column: str,
        ids: Collection[str],
        columns: Sequence[str] | None = None,
    ) -> list[Row]:
        """The rows of a stage's table that hold one of the ids; none where the stage has not been run.

        Raises:
            PipelineError: If the table is broken.
        """
        name = "completions.parquet" if stage == "pull" else "pairs.parquet"
        return self._find(self.data / stage / name, table, column, ids, columns)

    def entries(self, stage: str, column: str, ids: Collection[str]) -> list[Row]:
        """A stage's ledger entries that hold one of the ids.

        Raises:
            PipelineError: If the ledger is broken.
        """
        return self._find(self.data / stage / "ledger.parquet", LEDGER, column, ids)

    def _find(
        self,
        path: Path,
        table: Table,
        column: str,
        ids: Collection[str],
        columns: Sequence[str] | None = None,
    ) -> list[Row]:
        if not ids or not path.is_file():
            return []
        return find_rows(path, table, column, ids, columns).rows(named=True)

    # --- from ledgers -----------------------------------------------------------------------------------

    def dropped(self, entry: Row) -> Step:
        """A ledger entry as a step, with the words of what it matched."""
        facts = {name: entry[name] for name in ("value", "threshold", "detail") if entry[name] is not None}
        match = entry["match_id"]
        if match is not None:
            prompt = self._prompt_of(match)
            facts["match"] = {"id": match, "prompt": prompt} if prompt is not None else {"id": match}
        if entry["stage"] == "dedupe":
            for kept in self.rows("dedupe", CLUSTERED_PAIRS, "pair_id", [match], ["cluster_id"]):
                facts |= self._cluster(kept["cluster_id"], entry["pair_id"])
        if entry["stage"] == "curate":
            facts |= self._decided(entry["pair_id"])
        return Step(entry["stage"], DROPPED, entry["reason"], facts)

    def _prompt_of(self, match_id: str) -> str | None:
        """The prompt of a pair or row, or of a benchmark's item."""
        if "/" in match_id:
            return self._asides.benchmark_prompt(match_id)
        found = self.rows("binarize", PAIRS, "pair_id", [match_id], ["prompt"])
        found = found or self.rows("pull", COMPLETIONS, "row_id", [match_id], ["prompt"])[:1]
        return conversation(found[0]["prompt"]) if found else None

    # --- pairs, stage by stage --------------------------------------------------------------------------

    def kept(self, stage: str, pairs: list[Row]) -> dict[str, Row]:
        """Of these pairs those a stage kept, each with what there is to say.

        Args:
            stage: One of :data:`PAIR_STAGES`.
            pairs: Rows of the pairs table.
        """
        ids = [pair["pair_id"] for pair in pairs]
        if stage == "split":
            return self._placed(ids)
        if stage == "tokenize":
            return self._tokenized(ids)
        if stage == "evaluate":
            return self._evaluated(pairs)
        if stage == "curate":
            return self._curated(ids)
        table = _PAIR_TABLES[stage]
        columns = [name for name in ("pair_id", "cluster_id") if name in table.columns]
        found = self.rows(stage, table, "pair_id", ids, columns)
        if stage != "dedupe":
            return {row["pair_id"]: {} for row in found}
        return {row["pair_id"]: self._cluster(row["cluster_id"], row["pair_id"]) for row in found}

    def _cluster(self, cluster_id: str, pair_id: str) -> Row:
        """A cluster, and the others in it: kept pairs, and the duplicates that left for one of them."""
        mates = self.rows("dedupe", CLUSTERED_PAIRS, "cluster_id", [cluster_id], ["pair_id"])
        kept = [mate["pair_id"] for mate in mates]
        gone = {entry["pair_id"]: entry for entry in self.entries("dedupe", "match_id", kept)}
        others = [mate for mate in [*kept, *gone] if mate != pair_id]
        found = self.rows("binarize", PAIRS, "pair_id", others, ["pair_id", "prompt"])
        prompts = {row["pair_id"]: conversation(row["prompt"]) for row in found}
        described = [
            {
                "pair_id": mate,
                "prompt": prompts.get(mate),
                **({"left": gone[mate]["reason"], "similarity": gone[mate]["value"]} if mate in gone else {}),
            }
            for mate in others
        ]
        return {"cluster_id": cluster_id, "cluster_mates": described}

    def _curated(self, ids: list[str]) -> dict[str, Row]:
        """What people decided, what became of each decision, and what it changed."""
        found = self.rows("curate", CLUSTERED_PAIRS, "pair_id", ids, ["pair_id"])
        facts = {row["pair_id"]: self._decided(row["pair_id"]) for row in found}
        path = self.data / "curate" / "changed.parquet"
        for row in self._find(path, CHANGED_PAIRS, "pair_id", list(facts), ["pair_id", "changed"]):
            facts[row["pair_id"]]["changed"] = ", ".join(row["changed"])
        return facts

    def _decided(self, pair_id: str) -> Row:
        path = self.data / "curate" / "decisions.parquet"
        found = self._find(path, DECISIONS, "pair_id", [pair_id])
        decisions = [{name: row[name] for name in row if name != "pair_id"} for row in found]
        return {"decisions": decisions} if decisions else {}

    def _placed(self, ids: list[str]) -> dict[str, Row]:
        paths = [self.data / "split" / f"{name}.parquet" for name in SPLITS]
        columns = ["pair_id", "split"]
        found = [row for path in paths for row in self._find(path, SPLIT_PAIRS, "pair_id", ids, columns)]
        flips = self._find(
            self.data / "split" / "flipped.parquet", FLIPPED_PAIRS, "pair_id", ids, ["pair_id"]
        )
        flipped = {row["pair_id"] for row in flips}
        return {
            row["pair_id"]: {"split": row["split"]}
            | ({"labels_swapped": True} if row["pair_id"] in flipped else {})
            for row in found
        }

    def _tokenized(self, ids: list[str]) -> dict[str, Row]:
        """The shard of each pair, its place in it, and its lengths in tokens."""
        folder = self.data / "tokenize"
        if not (folder / "manifest.json").is_file():
            return {}
        found: dict[str, Row] = {}
        wanted = pa.array(ids, pa.string())
        for split, entry in read_json(folder / "manifest.json")["splits"].items():
            for shard in entry["shards"]:
                path = folder / split / shard["file"]
                table = _open_shard(path)
                places = pc.indices_nonzero(pc.is_in(table["pair_id"], wanted)).to_pylist()
                for place in places:
                    lengths = {
                        f"{part}_tokens": len(table[f"{part}_ids"][place])
                        for part in ("prompt", "chosen", "rejected")
                    }
                    where = {"shard": path.relative_to(folder.parent).as_posix(), "row": place + 1}
                    found[table["pair_id"][place].as_py()] = {**where, **lengths}
        return found

    def _evaluated(self, pairs: list[Row]) -> dict[str, Row]:
        """Each model's scores on a pair, and its greedy answer to the prompt."""
        ids = [pair["pair_id"] for pair in pairs]
        path = self.data / "evaluate" / "generations.parquet"
        answers: dict[str, dict[str, Row]] = {}
        prompts = {pair["prompt_id"] for pair in pairs}
        for row in self._find(path, GENERATIONS, "prompt_id", prompts):
            if row["decoding"] != GREEDY:
                continue
            shown = {name: row[name] for name in ("success", "failures", "response")}
            answers.setdefault(row["prompt_id"], {})[row["model"]] = shown
        found: dict[str, Row] = {}
        for row in self.rows("evaluate", EVALUATED_PAIRS, "pair_id", ids):
            names = ("correct", "log_odds_margin", "chosen_logp", "rejected_logp")
            scores: Row = {name: row[name] for name in names}
            scores |= answers.get(row["prompt_id"], {}).get(row["model"], {})
            found.setdefault(row["pair_id"], {})[row["model"]] = scores
        return found


def _open_shard(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise PipelineError(
            "A shard cannot be read",
            file=path,
            found=str(error),
            hint="Run `dvc repro --force tokenize`, or restore it with `dvc checkout`",
        ) from error


def conversation(prompt: Iterable[Row]) -> str:
    """A conversation as text: a single message as it is, several with their roles."""
    turns = list(prompt)
    if len(turns) == 1:
        return str(turns[0]["content"])
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
