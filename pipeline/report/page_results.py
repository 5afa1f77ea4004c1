"""The page's sections on evaluation, benchmarks, variants and training."""

RESULTS = """\
{% from "macros" import bar, facts, grid, chart_grid with context %}
<section id="evaluation">
<h2>Evaluation</h2>
<p class="muted">On the held-out {{ split }} split; no training pair shares a prompt with it. The small
numbers are 95% intervals. A difference is coloured where it is unlikely to be chance (p &lt; 0.05).</p>
{{ grid(evaluation) }}
{% if length_baseline %}
<p>{{ length_baseline }}</p>
{% endif %}
{% for one in outcomes %}
<div class="outcome"><b>{{ one.versus[:1]|upper }}{{ one.versus[1:] }}, by checks of the answers</b>
<span class="stack" role="img" aria-label="{{ one.won }} won, {{ one.tied }} tied, {{ one.lost }} lost">
<i class="trained" style="flex:{{ one.won }}"></i><i class="tied" style="flex:{{ one.tied }}"></i>
<i class="lost" style="flex:{{ one.lost }}"></i></span>
<span class="muted">{{ one.won }} won, {{ one.tied }} tied, {{ one.lost }} lost
of {{ one.won + one.tied + one.lost }}{% if one.p_value %}; {{ one.p_value }}{% endif %}</span></div>
{% endfor %}
<h3 id="success">Instruction success by kind</h3>
{% if kinds.rows %}
{{ grid(kinds) }}
<p class="muted">Answers that pass every check, by what the prompt asks for.</p>
{% else %}
<p class="muted">No held-out prompt that was answered has a check.</p>
{% endif %}
{% if answers %}
<h3 id="lengths">Answers</h3>
{{ grid(answers) }}
<p class="muted">Lengths are means; tokens count the end of the answer. Repeated trigrams: the mean share
of an answer's word trigrams that stand in it before.</p>
{% endif %}
{% if diversity %}
<h3 id="diversity">Diversity</h3>
{{ grid(diversity.grid) }}
<p class="muted">Mean cosine similarity of answers ({{ diversity.method }}), as in section 6.4 of
arXiv 2403.07691: higher is less diverse.</p>
{% endif %}
{% if slices %}
<h3>Slices</h3>
<p class="muted">Accuracy with its 95% interval, and the mean log-odds margin, by what the pairs are like.</p>
{% for name, table in slices %}
<details{% if loop.first %} open{% endif %}><summary>By {{ name }}</summary>
{{ grid(table) }}
</details>
{% endfor %}
{% endif %}
{% if benchmarks %}
<h3>Benchmarks</h3>
{% for benchmark in benchmarks %}
<h4>{{ benchmark.name }} <span class="chip {{ 'pass' if benchmark.clean else 'fail' }}">
{{ "decontaminated" if benchmark.clean else "contamination unknown" }}</span></h4>
<p class="muted">{{ benchmark.contamination }}</p>
{{ grid(benchmark.grid) }}
{% if benchmark.details.rows %}
<details><summary>Counts and details</summary>
{{ grid(benchmark.details) }}
</details>
{% endif %}
{% endfor %}
{% endif %}
{% if variants %}
<h3>Variants</h3>
<p class="muted">Other trainings on the same data, on the same held-out pairs.</p>
{{ grid(variants) }}
{{ chart_grid(variant_charts) }}
{% endif %}
</section>

<section id="training">
<h2>Training</h2>
{{ chart_grid(training_charts) }}
<details><summary>Last values</summary>
{{ facts(training) }}
</details>
</section>
"""
"""The template."""
