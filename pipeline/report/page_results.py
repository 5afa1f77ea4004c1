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
{% for name, won, tied, lost in outcomes %}
{% set total = won + tied + lost %}
<div class="outcome"><b>{{ name|capitalize }}, by checks of the answers</b>
<span class="stack" role="img" aria-label="{{ won }} won, {{ tied }} tied, {{ lost }} lost">
<i class="trained" style="flex:{{ won }}"></i><i class="tied" style="flex:{{ tied }}"></i>
<i class="lost" style="flex:{{ lost }}"></i></span>
<span class="muted">{{ won }} won, {{ tied }} tied, {{ lost }} lost of {{ total }}</span></div>
{% endfor %}
<h3 id="success">Instruction success by kind</h3>
{% if kinds.rows %}
{{ grid(kinds) }}
<p class="muted">Answers that pass every check, by what the prompt asks for.</p>
{% else %}
<p class="muted">No held-out prompt that was answered has a check.</p>
{% endif %}
{% if answer_facts %}
{{ grid(answer_facts) }}
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
{% if benchmark.facts %}
<details><summary>Counts</summary>
{{ facts(benchmark.facts) }}
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
