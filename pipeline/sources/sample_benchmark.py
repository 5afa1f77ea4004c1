"""A small made-up benchmark: prompts that must not reach training; the sample leaks some on purpose."""

from __future__ import annotations

from pipeline.checks import Constraint
from pipeline.sources.sample_instructions import Ask, checked_topic
from pipeline.sources.sample_topics import TOPICS

_BY_NAME = {topic.name: topic for topic in TOPICS}


def _ask(instruction: str, topic: str, kind: str, count: int | None = None) -> Ask:
    found = _BY_NAME[topic]
    args = {} if count is None else {"count": count}
    return Ask(instruction, Constraint(kind, dict(args), checked_topic(kind, found)), found)


_ASKS = (
    _ask("My niece wonders why the sea comes and goes. Answer her with two sentences on tides.", "tides",
         "sentence_count", 2),
    _ask("What should a shop sign say about fresh bread? Shout it in capitals.", "bread", "all_capitals"),
    _ask("Our club meets on Friday. Prepare three bullet points on bees to start the talk.", "bees",
         "bullet_points", 3),
    _ask("Could you sum up how bicycles work for someone in a hurry? One sentence will do.", "bicycles",
         "one_sentence"),
    _ask("I am labelling a drawer of seeds. Say something on sunflowers in small letters throughout.",
         "sunflowers", "all_lowercase"),
    _ask("Give my grandfather a numbered list of two things worth knowing on trains.", "trains",
         "numbered_list", 2),
    _ask("Which four words come to mind at the thought of snow? Put commas between them.", "snow",
         "comma_list", 4),
    _ask("Compose a wall text on lighthouses that opens with a Title: line.", "lighthouses", "title_line"),
    _ask("A reporter wants to quote you on whales. Reply inside quotation marks.", "whales", "in_quotes"),
    _ask("Start a chat on chess with a stranger and leave them with a question to answer.", "chess",
         "end_question"),
    _ask("The comma key is broken. What would you still type about coffee?", "coffee", "no_commas"),
    _ask("The postcard has room for twenty words. Tell Ana what makes volcanoes special.", "volcanoes",
         "max_words", 20),
    _ask("The leaflet on museums has two boxes. Fill each with its own paragraph.", "museums",
         "two_paragraphs"),
    _ask("How would a guide introduce caves to tired hikers? Keep it to three sentences.", "caves",
         "sentence_count", 3),
    _ask("Someone left a blank poster on horses. Fill it with four bullets.", "horses", "bullet_points", 4),
    _ask("Whisper a thought on owls: no capitals anywhere please.", "owls", "all_lowercase"),
    _ask("WHAT DO PEOPLE NEED TO HEAR ON EARTHQUAKES? TYPE LOUDLY WITH CAPS LOCK ON.", "earthquakes",
         "all_capitals"),
    _ask("If a visitor asked what cheese is made of, which single sentence would you offer?", "cheese",
         "one_sentence"),
    _ask("Number three things to learn before buying cameras.", "cameras", "numbered_list", 3),
    _ask("Five items for a guessing game on frogs, one line, commas only.", "frogs", "comma_list", 5),
    _ask("Open the school radio show on rainbows with a headline after the word Title and a colon.",
         "rainbows", "title_line"),
    _ask("The play needs a line on pianos for Maria to speak. Quote it fully.", "pianos", "in_quotes"),
    _ask("Warm up a quiet class on comets and close by asking them something.", "comets", "end_question"),
    _ask("Without a comma in sight say what keeps a kite up in the air.", "kites", "no_commas"),
    _ask("Fifteen words is all the banner holds. What does it say on swimming?", "swimming", "max_words", 15),
    _ask("Two friends disagree on camels. Give each friend a paragraph.", "camels", "two_paragraphs"),
)  # fmt: skip

BENCHMARK_PROMPTS: tuple[Ask, ...] = _ASKS
"""The benchmark: each prompt with the constraint and the topic its answer is checked for."""
