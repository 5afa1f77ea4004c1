"""The page's sections on the data: funnel, distributions, duplicates, leaks, tokens."""

DATA = """\
{% from "macros" import facts, grid, chart_grid, long with context %}
<section id="data">
<h2>From raw rows to training pairs</h2>
{{ grid(funnel) }}
{% if counts %}
<details><summary>Other counts of these stages</summary>
{% for stage, rows in counts %}
<h3>{{ stage }}</h3>
{{ facts(rows) }}
{% endfor %}
</details>
{% endif %}
<h3>By source</h3>
{{ grid(sources) }}
{{ chart_grid(data_charts) }}
<h3>Before and after each stage</h3>
{{ chart_grid(spread_charts) }}
<details><summary>The numbers behind these charts</summary>
{{ grid(spreads) }}
</details>
</section>

<section id="duplicates">
<h2>Duplicates and leaks</h2>
<p>{{ "{:,}".format(clusters.several) }} clusters of several near-duplicate prompts remain among the kept
pairs{% if clusters.several %}, the largest of {{ "{:,}".format(clusters.largest) }}{% endif %};
each lies whole in one split.</p>
{% if leak_grid.rows %}
{{ grid(leak_grid) }}
{% else %}
<p class="muted">The data was not searched for any benchmark's prompts.</p>
{% endif %}
{% if duplicates %}
<h3>Near-duplicates closest to the threshold</h3>
<p class="muted">Words that the other prompt lacks are marked.</p>
{% for item in duplicates %}
<article class="example">
<h4>Similarity {{ item.similarity }} <code>{{ item.pair_id }}</code></h4>
<div class="pair">
<div class="answer"><p class="who">dropped</p><p class="text">{{ item.dropped }}</p></div>
<div class="answer"><p class="who">kept <code>{{ item.match_id }}</code></p>
<p class="text">{{ item.kept }}</p></div>
</div>
</article>
{% endfor %}
{% endif %}
{% if leaks %}
<h3>Prompts that a benchmark asks</h3>
{% for item in leaks %}
<article class="example">
<h4>{{ item.item }} <span class="muted">{{ item.detail }}</span> <code>{{ item.pair_id }}</code></h4>
<div class="prompt">{{ long(item.prompt, 400) }}</div>
</article>
{% endfor %}
{% endif %}
</section>

<section id="tokens">
<h2>Tokens and truncation</h2>
{% if tokens %}
{{ grid(tokens) }}
{% else %}
<p class="muted">Tokenize counted nothing.</p>
{% endif %}
</section>
"""
"""The template."""
