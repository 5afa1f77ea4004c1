"""The page's sections of texts to read: pairs, answers, dropped rows."""

TEXTS = """\
{% from "macros" import facts, long, conversation with context %}
{% macro scored(pairs) %}
{% for pair in pairs %}
<article class="example">
<h4>{% for model, margin in pair.margins.items() %}
<span class="chip {{ 'pass' if margin > 0 else 'fail' }}">{{ model }} {{ "%+.2f"|format(margin) }}</span>
{% endfor %} <span class="muted">{{ pair.source }}</span> <code>{{ pair.pair_id }}</code></h4>
{{ conversation(pair.prompt) }}
<div class="pair">
<div class="answer"><p class="who">chosen</p>{{ long(pair.chosen, 400) }}</div>
<div class="answer"><p class="who">rejected</p>{{ long(pair.rejected, 400) }}</div>
</div>
</article>
{% endfor %}
{% endmacro %}
<section id="pairs">
<h2>Best and worst pairs</h2>
{% if worst or best %}
<p class="muted">Held-out pairs by the trained model's log-odds margin. The worst are wrong by the most: a
weakness of the model, or a label to curate.</p>
<h3>Worst margins</h3>
{{ scored(worst) }}
<details><summary>Best margins</summary>
{{ scored(best) }}
</details>
{% else %}
<p class="muted">No pairs to show.</p>
{% endif %}
</section>

<section id="answers">
<h2>Answers side by side</h2>
{% if examples %}
<p class="muted">Spread over the kinds and taken in the order of their ids, not for their outcome.</p>
{% for example in examples %}
<article class="example">
<h3>{{ example.kind|title }}{% if example.asked %} <span class="muted">{{ example.asked }}</span>{% endif %}
<code>{{ example.prompt_id }}</code></h3>
{{ conversation(example.prompt) }}
<div class="pair">
{% for answer in example.answers %}
<div class="answer">
<p class="who"><span><i class="dot {{ answer.dot }}"></i>{{ answer.model }}</span>
{% if answer.success is not none %}
<span class="chip {{ 'pass' if answer.success else 'fail' }}">
{{ "passes" if answer.success else "fails" }}</span>
{% endif %}
{% for failure in answer.failures %}<span class="chip">{{ failure|title }}</span>{% endfor %}
<span class="muted">{{ answer.tokens }} tokens{% if not answer.finished %}, cut off{% endif %}</span></p>
{{ long(answer.text) }}
</div>
{% endfor %}
</div>
</article>
{% endfor %}
{% else %}
<p class="muted">No answers to show.</p>
{% endif %}
</section>

<section id="dropped">
<h2>Dropped rows</h2>
{% if dropped %}
<p class="muted">A few of each reason, with what the rule went by. Where it has a threshold, those closest to
it: what they look like says whether the threshold is right.</p>
{% for stage in dropped %}
<h3>{{ stage.stage }} <span class="muted">{{ "{:,}".format(stage.count) }} dropped</span></h3>
{% for item in stage.reasons %}
<details class="reason"><summary><b>{{ item.reason }}</b>
<span class="muted">{{ "{:,}".format(item.count) }} dropped{{ "; " ~ item.closest if item.closest }}</span>
</summary>
{% for example in item.examples %}
<article class="example">
<h4><code>{{ example.name }}</code></h4>
{{ facts(example.evidence) }}
{% for text in example.texts %}
<div class="prompt"><b>{{ text.title }}</b>{{ long(text.text, 300) }}</div>
{% endfor %}
</article>
{% endfor %}
</details>
{% endfor %}
{% endfor %}
{% else %}
<p class="muted">Nothing was dropped.</p>
{% endif %}
</section>
"""
"""The template."""
