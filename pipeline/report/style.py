"""The page's CSS: one palette for light and one for dark, a single column on a narrow screen."""

STYLE = """\
:root {
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2330; --muted: #5b6575; --line: #dde1e8;
  --series-1: #1f6feb; --series-2: #c2570c; --series-3: #6b7280;
  --base: #7b8494; --trained: #1f6feb; --good: #13763c; --bad: #b42318;
  --good-back: #dff3e6; --bad-back: #fbe3e0; --chip: #eceff4; --mark: #ffe9a8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --card: #1a1f28; --ink: #e4e8ef; --muted: #9aa5b5; --line: #323a47;
    --series-1: #6cabff; --series-2: #f0995a; --series-3: #9aa5b5;
    --base: #8791a2; --trained: #6cabff; --good: #62d391; --bad: #ff9288;
    --good-back: #153a26; --bad-back: #48211f; --chip: #2a313d; --mark: #5c4a12;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--page);
  color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: clamp(1.3rem, 3.5vw, 1.9rem); line-height: 1.25; margin: 0 0 1rem; text-wrap: balance; }
h2 { font-size: 1.3rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
h4 { font-size: .92rem; margin: 0 0 .5rem; }
p { margin: 0 0 .75rem; }
a { color: var(--trained); }
code { font: .82em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--muted);
  overflow-wrap: anywhere; }
.muted { color: var(--muted); font-weight: normal; font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-bottom: 1rem; }
section { margin-top: 2.5rem; }
#scores { margin-top: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem;
  margin-bottom: 1rem; }
.card, figure, .example { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem; }
.card h2 { font-size: 1rem; margin: 0; }
.card dl { display: flex; gap: 1.5rem; margin: .5rem 0; }
.card dt { color: var(--muted); font-size: .9rem; }
.card dd { margin: 0; font-variant-numeric: tabular-nums; font-size: 1.3rem; }
.card dd.big { font-weight: 700; }
.card dd.muted { font-size: .85rem; min-height: 1.3em; }
.card p:last-child { margin: 0; }
.change { font-weight: 600; margin-bottom: .35rem; }
.change span { font-weight: 400; }
.better { color: var(--good); }
.worse { color: var(--bad); }
.dot { display: inline-block; width: .65em; height: .65em; border-radius: 50%; margin-right: .4em; }
.base { background: var(--base); }
.trained { background: var(--trained); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  margin-bottom: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child > th, tr:last-child > td { border-bottom: 0; }
thead tr:last-child > th { border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; white-space: nowrap; }
.n { text-align: right; white-space: nowrap; }
th button { all: unset; cursor: pointer; font: inherit; color: inherit; white-space: nowrap; }
th button:focus-visible { outline: 2px solid var(--trained); outline-offset: 2px; border-radius: .2rem; }
th button:hover { color: var(--ink); }
th button::after { content: "\\2195"; opacity: .25; margin-left: .3em; font-weight: 400; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
td small, th small { display: block; color: var(--muted); font-size: .8rem; font-weight: 400; }
.scroll .long summary, .facts .text { margin: 0; }
mark { background: var(--mark); color: inherit; border-radius: .2rem; padding: 0 .1em; }
.reasons { min-width: 16rem; }
.facts th { width: 1%; font-weight: 400; color: var(--muted); white-space: nowrap; }
.facts td { overflow-wrap: anywhere; min-width: 12rem; }
.chip { display: inline-block; padding: .05rem .5rem; margin: .05rem .15rem .05rem 0; border-radius: 1rem;
  background: var(--chip); font-size: .85rem; overflow-wrap: anywhere; }
.pass { background: var(--good-back); color: var(--good); }
.fail { background: var(--bad-back); color: var(--bad); }
.track { display: inline-block; width: 7rem; height: .6rem; border-radius: .3rem; background: var(--chip);
  overflow: hidden; vertical-align: baseline; margin-right: .3rem; }
.meter { white-space: nowrap; }
.track.span { position: relative; overflow: visible; height: .5rem; width: 6rem; margin-right: .6rem; }
.reach { position: absolute; top: 0; height: 100%; border-radius: .25rem; opacity: .4; }
.point { position: absolute; top: -.1rem; width: .2rem; height: .7rem; margin-left: -.1rem;
  border-radius: .1rem; }
.other { background: var(--series-2); }
.outcome { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: center; margin: 0 0 1rem; }
.stack { display: flex; flex: 1 1 12rem; max-width: 28rem; height: .8rem; border-radius: .4rem;
  overflow: hidden; }
.stack .tied { background: var(--line); }
.stack .lost { background: var(--series-2); }
.fill { display: block; height: 100%; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem;
  margin: 1rem 0; }
figure { margin: 0; min-width: 0; }
figure h3 { margin: 0 0 .5rem; }
figure svg { display: block; width: 100%; height: auto; max-width: 34rem; margin: 0 auto; }
figure svg text { font-family: inherit !important; }
figcaption { color: var(--muted); font-size: .9rem; margin-top: .4rem; }
.example { margin: 0 0 1rem; }
.example h3 { margin: 0 0 .6rem; display: flex; flex-wrap: wrap; gap: .2rem .7rem; align-items: baseline; }
#answers .example h3 code { margin-left: auto; }
.prompt { border-left: 3px solid var(--line); padding-left: .8rem; margin-bottom: .75rem; }
.prompt b { font-size: .85rem; color: var(--muted); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
.answer { border-top: 1px solid var(--line); padding-top: .6rem; min-width: 0; }
.who { display: flex; flex-wrap: wrap; gap: .2rem .5rem; align-items: center; margin-bottom: .4rem;
  font-weight: 600; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
summary { cursor: pointer; }
.long summary { list-style: none; white-space: pre-wrap; overflow-wrap: anywhere; }
.long summary::-webkit-details-marker { display: none; }
.long .more { color: var(--trained); white-space: nowrap; }
.long .more::after { content: " show all"; }
.long[open] .more::after { content: "show less"; }
.long[open] .start { display: none; }
section > details { margin: 0 0 .75rem; }
section > details > summary { padding: .3rem 0; font-weight: 600; }
section > details > summary:hover { color: var(--trained); }
.example h4 { display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: baseline; }
.reason { border-top: 1px solid var(--line); padding: .5rem 0; }
.reason[open] > summary { margin-bottom: .75rem; }
@media (max-width: 30rem) {
  body { padding: 1rem .75rem 3rem; }
  #answers .example h3 code { margin-left: 0; }
  .track { width: 3rem; }
  th, td { padding: .4rem .5rem; }
  tbody th, td.n { white-space: normal; }
  .card dd.muted { min-height: 0; }
}
@media print { nav { display: none; } }
"""
"""The stylesheet."""
