"""The page's HTML, Jinja templates: Python modules, so that packaging and DVC's deps take them for code."""

from __future__ import annotations

from jinja2 import DictLoader

from pipeline.report.page_data import DATA
from pipeline.report.page_macros import MACROS
from pipeline.report.page_results import RESULTS
from pipeline.report.page_texts import TEXTS

_PAGE = """\
{% from "macros" import facts, grid with context %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<title>Preference pipeline report</title>
<style>
{{ style }}
</style>
</head>
<body>
<header>
<p class="muted">Preference pipeline report
{%- if commit %}, commit <code>{{ commit[:12] }}</code>{% endif %}</p>
<h1>{{ headline }}</h1>
<nav aria-label="Sections">
{% for id, label in sections %}
<a href="#{{ id }}">{{ label }}</a>
{% endfor %}
</nav>
</header>
<main>

<section id="scores" aria-label="Scores">
<div class="cards">
{% for card in cards %}
<article class="card">
<h2>{{ card.name }}</h2>
<dl>
<div><dt><i class="dot base"></i>base</dt><dd>{{ card.base }}</dd>
<dd class="muted">{{ card.base_note }}</dd></div>
<div><dt><i class="dot trained"></i>trained</dt><dd class="big">{{ card.trained }}</dd>
<dd class="muted">{{ card.trained_note }}</dd></div>
</dl>
<p class="change {{ card.verdict }}">{{ card.change }}
<span>({{ card.verdict if card.verdict != "same" else "no change" }})</span></p>
<p class="muted">{{ card.words }}</p>
</article>
{% endfor %}
</div>
<p class="muted">Ranges are 95% intervals; with few pairs they are wide, and where
two overlap much, the difference may be chance.</p>
</section>

{% include "results" %}
{% include "data" %}
{% include "texts" %}

<section id="lineage">
<h2>Lineage</h2>
{{ facts(lineage.commit) }}
<h3>What each stage took</h3>
{% if lineage.runs.rows %}
{{ grid(lineage.runs) }}
<p class="muted">Of the last run of each stage that ended well; the memory is that of its largest process.</p>
{% else %}
<p class="muted">No run of a stage is recorded here: these artifacts were brought from elsewhere.</p>
{% endif %}
<details><summary>Artifacts and their hashes, as dvc.lock has them</summary>
{{ grid(lineage.lock) }}
</details>
<details><summary>Versions of packages</summary>
{{ facts(lineage.versions) }}
</details>
<details><summary>Dataset</summary>
{{ facts(lineage.dataset) }}
</details>
{% for name, rows in lineage.models %}
<details><summary>{{ name|capitalize }} model</summary>
{{ facts(rows) }}
</details>
{% endfor %}
</section>

</main>
<script>{{ script }}</script>
</body>
</html>
"""

TEMPLATES = DictLoader({"page": _PAGE, "macros": MACROS, "data": DATA, "results": RESULTS, "texts": TEXTS})
"""Every template by its name; ``page`` is the whole."""

SECTIONS = (
    ("evaluation", "Evaluation"),
    ("training", "Training"),
    ("data", "Data"),
    ("duplicates", "Duplicates and leaks"),
    ("tokens", "Tokens"),
    ("pairs", "Best and worst pairs"),
    ("answers", "Answers"),
    ("dropped", "Dropped rows"),
    ("lineage", "Lineage"),
)
"""Sections in the order of the page, with their labels."""
