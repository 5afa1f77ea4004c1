"""Suspects from end to end on a tiny model: signals against plain passes, no leaks, resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.evaluation.suspects.features import frozen_view
from pipeline.evaluation.suspects.parts import Parts
from pipeline.evaluation.suspects.run import Job, find_suspects
from pipeline.evaluation.suspects.training import pair_margins, run_params, train_epochs
from pipeline.params import SuspectsParams
from pipeline.schema import SUSPECTS
from pipeline.tokens.shards import ShardSet, TokenPair
from pipeline.training.objective import log_odds_margin
from pipeline.training.rng import seed_everything
from pipeline.validation import validate
from tests.conftest import make_model
from tests.training.conftest import make_pairs
from tests.training.plain import plain_logps
from tests.training.runs import params, shard_set, step_model

PAIRS = 12
SUSPECTS_PARAMS = SuspectsParams(folds=3, epochs=2, seed=0)


def job(shards: ShardSet, **changes: object) -> Job:
    setting = params(batch_pairs=4, lr=5e-3)
    train = run_params(setting, SUSPECTS_PARAMS)
    return Job(shards, lambda: step_model(train), lambda: step_model(train), SUSPECTS_PARAMS, train)


def table(pairs: list[TokenPair]) -> pl.DataFrame:
    """Two pairs a cluster, the last pair without a score."""
    return pl.DataFrame(
        {
            "pair_id": [pair.pair_id for pair in pairs],
            "cluster_id": [f"c{place // 2}" for place in range(len(pairs))],
            "texts_sha256": ["0" * 64] * len(pairs),
            "chosen": ["x" * len(pair.chosen_ids) for pair in pairs],
            "rejected": ["x" * len(pair.rejected_ids) for pair in pairs],
            "margin": [*(float(place) for place in range(len(pairs) - 1)), None],
        }
    )


def turned(pair: TokenPair) -> TokenPair:
    return replace(
        pair,
        chosen_ids=pair.rejected_ids,
        rejected_ids=pair.chosen_ids,
        chosen_mask=pair.rejected_mask,
        rejected_mask=pair.chosen_mask,
    )


@pytest.fixture(scope="module")
def pairs() -> list[TokenPair]:
    return make_pairs(PAIRS)


@pytest.fixture(scope="module")
def found(pairs: list[TokenPair], tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("suspects")
    return find_suspects(job(shard_set(folder / "shards", pairs)), table(pairs), Parts(folder / "parts", {}))


def test_every_pair_has_every_signal_and_the_worst_comes_first(found: pl.DataFrame) -> None:
    validate(found, SUSPECTS, "suspects")
    assert found.height == PAIRS and sorted(found["fold"].unique()) == [0, 1, 2]
    assert found["suspicion"].to_list() == sorted(found["suspicion"], reverse=True)
    assert found.null_count().sum_horizontal().item() == 1  # the pair without a score


def test_the_base_margins_are_those_of_a_plain_pass(pairs: list[TokenPair], found: pl.DataFrame) -> None:
    model = make_model().eval()
    expected, sums = {}, {}
    with torch.no_grad():
        for pair in pairs:
            logps = plain_logps(model, [pair])
            chosen = logps[: len(pair.chosen_ids)].mean()
            rejected = logps[len(pair.chosen_ids) :].mean()
            expected[pair.pair_id] = float(log_odds_margin(chosen, rejected))
            lengths = len(pair.chosen_ids), len(pair.rejected_ids)
            sums[pair.pair_id] = float(lengths[0] * chosen - lengths[1] * rejected)
    assert dict(found.select("pair_id", "base_margin").iter_rows()) == pytest.approx(expected, abs=1e-4)
    assert dict(found.select("pair_id", "base_sum_margin").iter_rows()) == pytest.approx(sums, abs=1e-3)


def test_features_are_mean_and_last_states_of_a_plain_pass(pairs: list[TokenPair], tmp_path: Path) -> None:
    model = make_model().eval()
    view = frozen_view(step_model(params()), shard_set(tmp_path, pairs))
    for row, pair in zip(view.features, pairs, strict=True):
        sides = []
        for response in (pair.chosen_ids, pair.rejected_ids):
            ids = torch.from_numpy(np.concatenate([pair.prompt_ids, response]).astype(np.int64))[None]
            with torch.no_grad():
                states = model.get_decoder()(input_ids=ids, output_hidden_states=True).hidden_states
            # Two layers: the first is the one half way up. The token after the last state is the last target.
            middle = states[1][0, len(pair.prompt_ids) - 1 : -1]
            sides.append(torch.cat([middle.mean(dim=0), middle[-1]]))
        assert torch.allclose(row, (sides[0] - sides[1]).double(), atol=1e-5)


def test_a_cross_fit_margin_is_that_of_a_model_trained_on_the_other_folds(
    pairs: list[TokenPair], found: pl.DataFrame, tmp_path: Path
) -> None:
    shards = shard_set(tmp_path, pairs)
    whole = job(shards)
    folds = dict(found.select("pair_id", "fold").iter_rows())
    seen = [place for place, pair in enumerate(pairs) if folds[pair.pair_id] != 1]
    held_out = [place for place in range(PAIRS) if place not in seen]
    seed_everything(0)
    model = whole.model()
    assert list(train_epochs(model, shards, seen, whole.train, "other folds")) == [1, 2]
    margins = pair_margins(model, shards, held_out, "held out")
    told = dict(found.select("pair_id", "cross_fit_margin").iter_rows())
    assert [told[shards.pair_ids[place]] for place in held_out] == margins


def test_the_label_of_a_pair_has_no_say_in_its_own_cross_fit(
    pairs: list[TokenPair], found: pl.DataFrame, tmp_path: Path
) -> None:
    """Turned round, a pair's held-out margin turns its sign, and those of its fold stay; others change."""
    other = [turned(pairs[0]), *pairs[1:]]
    shards = shard_set(tmp_path / "shards", other)
    again = find_suspects(job(shards), table(other), Parts(tmp_path / "parts", {}))
    both = found.join(again, on="pair_id", suffix="_turned").sort("pair_id")
    own = both.filter(pl.col("pair_id") == "pair0")
    assert own["cross_fit_margin_turned"].item() == pytest.approx(-own["cross_fit_margin"].item(), abs=1e-5)
    fold = own["fold"].item()
    same = both.filter((pl.col("fold") == fold) & (pl.col("pair_id") != "pair0"))
    before, after = same["cross_fit_margin"].to_list(), same["cross_fit_margin_turned"].to_list()
    assert after == pytest.approx(before, abs=1e-5)
    rest = both.filter(pl.col("fold") != fold)
    assert ((rest["cross_fit_margin_turned"] - rest["cross_fit_margin"]).abs() > 1e-4).all()


def test_dynamics_are_mean_and_deviation_over_the_epochs(
    pairs: list[TokenPair], found: pl.DataFrame, tmp_path: Path
) -> None:
    shards = shard_set(tmp_path, pairs)
    whole = job(shards)
    seed_everything(0)
    model, everything = whole.model(), range(PAIRS)
    epochs = [
        pair_margins(model, shards, everything, "margins")
        for _ in train_epochs(model, shards, everything, whole.train, "all")
    ]
    first, second = np.array(epochs)
    told = {row["pair_id"]: row for row in found.iter_rows(named=True)}
    for place, pair_id in enumerate(shards.pair_ids):
        assert told[pair_id]["dynamics_mean"] == pytest.approx((first[place] + second[place]) / 2)
        assert told[pair_id]["dynamics_std"] == pytest.approx(abs(first[place] - second[place]) / 2)


def test_a_killed_run_goes_on_with_the_next_part(
    pairs: list[TokenPair], found: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = job(shard_set(tmp_path / "shards", pairs)), Parts(tmp_path / "parts", {})
    trained: list[str] = []

    def killed(*arguments: object):  # type: ignore[no-untyped-def]
        trained.append(str(arguments[-1]))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train_epochs(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline.evaluation.suspects.run.train_epochs", killed)
    with pytest.raises(KeyboardInterrupt):
        find_suspects(whole, table(pairs), parts)
    again = find_suspects(whole, table(pairs), parts)
    assert trained == ["fold 1 of 3", "fold 2 of 3", "fold 2 of 3", "fold 3 of 3", "all pairs"]
    assert again.equals(found)


def test_the_objective_is_orpo_whatever_train_says() -> None:
    own = run_params(params(objective="dpo", processes=2, epochs=9), SUSPECTS_PARAMS)
    assert (own.objective, own.processes, own.epochs, own.seed) == ("orpo", 1, 2, 0)


def test_too_few_clusters_are_refused(pairs: list[TokenPair], tmp_path: Path) -> None:
    one = table(pairs).with_columns(cluster_id=pl.lit("c"))
    with pytest.raises(PipelineError, match=r"1 clusters of training pairs"):
        find_suspects(job(shard_set(tmp_path, pairs)), one, Parts(tmp_path / "parts", {}))


def test_shards_of_other_pairs_are_refused(pairs: list[TokenPair], tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="1 pairs that"):
        find_suspects(job(shard_set(tmp_path, pairs)), table(pairs[1:]), Parts(tmp_path / "parts", {}))
