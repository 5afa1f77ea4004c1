"""Argilla's own web page: a person logs in, reads a pair, chooses and submits; the decision arrives."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.curation.annotations import record_annotations
from pipeline.curation.argilla_sync import pull, push
from pipeline.curation.sent import read_sent
from pipeline.params import CurateParams
from tests.argilla_server.running import FOLDER, PASSWORD, PYTHON, ArgillaServer
from tests.curation.queues import queue_of
from tests.report.chromium import find_chromium

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)"
)

FOUR = "It is four: 2 &lt; 4. <script>document.body.remove()</script> & <i>that</i> is it."
CORRECTION = "It is <b>four</b> & no more."


def test_a_person_at_the_page(argilla: ArgillaServer, params: CurateParams, tmp_path: Path) -> None:
    prompt = [
        {"role": "user", "content": "What is <b>2 + 2</b>?"},
        {"role": "assistant", "content": "Do you mean in base ten?"},
        {"role": "user", "content": "Yes."},
    ]
    scores = {"margin": 7.125, "suspicion": 0.875, "first": "rejected"}
    queue = queue_of({"prompt": prompt, "chosen": "It is *five*.", "rejected": FOUR, **scores})
    push(queue, params, tmp_path)
    (line,) = read_sent(tmp_path / "curation/sent.jsonl")
    picture = tmp_path / "page.png"
    words = [argilla.url, "ann", PASSWORD, line.where.partition("#")[2], str(CHROMIUM), str(picture)]
    done = subprocess.run(
        [str(PYTHON), str(FOLDER / "annotate.py"), *words, "A is better", CORRECTION],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    shown = [text.strip() for text in seen["read"].splitlines() if text.strip()]
    # Texts stand there as they are: nothing is rendered.
    conversation = ["Conversation", "user", "What is <b>2 + 2</b>?", "assistant", "Do you mean in base ten?"]
    assert shown == [*conversation, "user", "Yes.", "Response A", FOUR, "Response B", "It is *five*."]
    assert not any(word in seen["page"] for word in ("7.125", "0.875", "chosen", "rejected"))
    assert seen["status"] == 201 and picture.read_bytes().startswith(b"\x89PNG")

    pulled = pull(params, tmp_path)
    recorded = record_annotations(pulled.responses.annotations, params, tmp_path, pulled.responses.texts)
    (decision,) = recorded.aggregated.decisions
    assert (decision.pair_id, decision.action, decision.annotators) == (line.pair_id, "edit", ["ann"])
    assert (decision.chosen, decision.rejected) == (CORRECTION, "It is *five*.")
