"""Pieces of HTML that every section uses, as Jinja macros."""

MACROS = """\
{% macro long(text, limit=600) %}
{% set start = text|start_of(limit) %}
{% if start is not none %}
<details class="long">
<summary><span class="start">{{ start }}…</span><span class="more"></span></summary>
<p class="text">{{ text }}</p></details>
{% elif text %}
<p class="text">{{ text }}</p>
{% else %}
<p class="text muted">(empty)</p>
{% endif %}
{% endmacro %}
{% macro bar(share, class) %}
<span class="track">
<span class="fill {{ class }}" style="width:{{ '%.1f'|format(share * 100) }}%"></span></span>
{% endmacro %}
{% macro range(span, class) %}
<span class="track span"><span class="reach {{ class }}"
style="left:{{ '%.1f'|format(span[0] * 100) }}%;width:{{ '%.1f'|format((span[2] - span[0]) * 100) }}%"></span>
<span class="point {{ class }}" style="left:{{ '%.1f'|format(span[1] * 100) }}%"></span></span>
{% endmacro %}
{% macro facts(rows) %}
<div class="scroll"><table class="facts">
{% for name, value in rows %}
<tr><th scope="row">{{ name }}</th><td>{{ long(value, 400) }}</td></tr>
{% endfor %}
</table></div>
{% endmacro %}
{% macro cell(cell) %}
{% if cell.chips %}
{% for name, number in cell.chips %}<span class="chip">{{ name }} <b>{{ number }}</b></span> {% endfor %}
{% else %}
{% if cell.fill is not none %}{{ bar(cell.fill, cell.colour) }}{% endif %}
{% if cell.span is not none %}{{ range(cell.span, cell.colour) }}{% endif %}
{% if cell.code %}<code>{{ cell.text }}</code>
{% else %}<span class="{{ cell.tone }}">{{ cell.text }}</span>{% endif %}
{% if cell.note %}<small>{{ cell.note }}</small>{% endif %}
{% endif %}
{% endmacro %}
{% macro grid(grid) %}
<div class="scroll"><table class="sorts">
<thead><tr>
{% for head in grid.columns %}
<th scope="col"{% if head.number %} class="n"{% endif %}><button type="button">
{% if head.dot %}<i class="dot {{ head.dot }}"></i>{% endif %}{{ head.label }}</button></th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in grid.rows %}
<tr>
{% for one in row %}
{% set tag = "th" if loop.first else "td" %}
<{{ tag }}{% if loop.first %} scope="row"{% endif %}
{% if one.sort is not none %} data-sort="{{ one.sort }}"{% endif %}
 class="{{ 'n' if grid.columns[loop.index0].number }}{{ ' meter' if one.fill is not none }}\
{{ ' reasons' if one.chips }}">
{{ cell(one) }}
</{{ tag }}>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
{% macro chart_grid(charts) %}
<div class="charts">
{% for chart in charts %}
<figure>
<h3>{{ chart.title }}</h3>
{{ chart.svg }}
<figcaption>{{ chart.caption }}</figcaption>
</figure>
{% endfor %}
</div>
{% endmacro %}
{% macro conversation(prompt) %}
{% for message in prompt %}
<div class="prompt">{% if prompt|length > 1 %}<b>{{ message.role }}</b>{% endif %}
{{ long(message.content) }}</div>
{% endfor %}
{% endmacro %}
"""
"""Macros: long, bar, range, facts, cell, grid, chart_grid, conversation."""
