"""The wordings of the sample's instructions, as tables; `sample_instructions` fills them.

A wording has its topic in the middle, so that two prompts that differ in the topic alone share less than 0.7
of their word 3-grams: a near-duplicate detector has to find what was planted, not the tables.
"""

VERBS = (
    "Describe",
    "Explain",
    "Write about",
    "Tell me about",
    "Introduce",
    "Talk about",
    "Share something about",
)
LIST_VERBS = ("List", "Name", "Give", "Note", "Suggest", "Pick", "Offer")
AUDIENCES = (
    "for a pen pal",
    "for a curious child",
    "for a school poster",
    "for a busy reader",
    "for my science class",
    "for a short speech",
    "for a village newsletter",
    "for a museum sign",
    "for a pocket handbook",
    "for a friendly letter",
    "in plain English",
)

WORDINGS: dict[str, tuple[str, ...]] = {
    "all_lowercase": (
        "{Task}. Use only lowercase letters.",
        "{Task}, writing everything in lowercase.",
        "In all lowercase letters, {task}.",
        "{Task} without any capital letters.",
        "Keep every letter lowercase and {task}.",
    ),
    "all_capitals": (
        "{Task}. Use only capital letters.",
        "{Task}, writing everything in capitals.",
        "In all capital letters, {task}.",
        "{Task} with every letter capitalized.",
        "Use uppercase for the whole answer and {task}.",
    ),
    "bullet_points": (
        "{Task} in exactly {count} bullet points.",
        "{Task}, using {count} bullet points.",
        "With {count} bullet points, {task}.",
        "Make {count} bullet points and {task}.",
        "{Task}. Answer with {count} bullets only.",
    ),
    "numbered_list": (
        "{Task} in a numbered list of {count}.",
        "{Task}, numbering {count} points.",
        "With a numbered list of {count} items, {task}.",
        "Number {count} points and {task}.",
        "{Task}. Answer with {count} numbered lines.",
    ),
    "end_with": (
        "{Task}. Let the last word be {word}.",
        "{Task}, ending with the word {word}.",
        "Finish with the word {word} and {task}.",
        "{Task} and end on the word {word}.",
        'Using "{word}" as your last word, {task}.',
    ),
    "start_with": (
        "{Task}. Let the first word be {word}.",
        "{Task}, starting with the word {word}.",
        "Begin with the word {word} and {task}.",
        "{Task} and open with the word {word}.",
        'Using "{word}" as your first word, {task}.',
    ),
    "one_sentence": (
        "{Task} in one sentence.",
        "{Task}, using a single sentence.",
        "In just one sentence, {task}.",
        "Write only one sentence and {task}.",
        "{Task}. Answer in exactly one sentence.",
    ),
    "sentence_count": (
        "{Task} in exactly {count} sentences.",
        "{Task}, using {count} sentences.",
        "In exactly {count} sentences, {task}.",
        "Write {count} sentences and {task}.",
        "{Task}. Answer with {count} sentences.",
    ),
    "include_keyword": (
        "{Task}. Include the word {word}.",
        "{Task}, using the word {word}.",
        "Use the word {word} and {task}.",
        "{Task} and mention the word {word}.",
        'With the word "{word}" included, {task}.',
    ),
    "avoid_keyword": (
        "{Task}. Avoid the word {word}.",
        "{Task}, never using the word {word}.",
        "Leave out the word {word} and {task}.",
        "{Task} without the word {word}.",
        'With the word "{word}" left out, {task}.',
    ),
    "json_keys": (
        "{Task} as JSON with keys {keys}.",
        "{Task}, using JSON with keys {keys}.",
        "As JSON with keys {keys}, {task}.",
        "Return JSON with keys {keys} and {task}.",
        "{Task}. Use JSON with keys {keys}.",
    ),
    "no_commas": (
        "{Task}. Use no commas.",
        "{Task} without using any commas.",
        "Without any commas, {task}.",
        "Leave out all commas and {task}.",
        "{Task} in an answer free of commas.",
    ),
    "max_words": (
        "{Task} in at most {count} words.",
        "{Task}, using no more than {count} words.",
        "In {count} words or fewer, {task}.",
        "Stay under {over} words and {task}.",
        "{Task}. Keep it to {count} words.",
    ),
    "comma_list": (
        "{List} {count} things linked to {topic} {audience}, separated by commas.",
        "{List} {count} words about {topic} {audience} in one comma separated line.",
        "On one line, {list} {count} things related to {topic} {audience}, with commas between them.",
        "With commas in between, {list} {count} things tied to {topic} {audience}.",
        "{List} {count} items that go with {topic} {audience}, split by commas.",
    ),
    "title_line": (
        "{Task}. Put a Title: line first.",
        "{Task}, with a Title: line on top.",
        "Start with a line Title: and {task}.",
        "{Task} under a line that begins Title:",
        "With a Title: line first, {task}.",
    ),
    "two_paragraphs": (
        "{Task} in two paragraphs.",
        "{Task}, using two short paragraphs.",
        "In exactly two paragraphs, {task}.",
        "Write two paragraphs and {task}.",
        "{Task}. Split the answer into two paragraphs.",
    ),
    "in_quotes": (
        "{Task}. Wrap the answer in double quotes.",
        "{Task}, all inside double quotes.",
        "Inside double quotation marks, {task}.",
        "Put your answer in double quotes and {task}.",
        "{Task} and quote the whole answer.",
    ),
    "end_question": (
        "{Task}. End with a question.",
        "{Task}, closing with a question.",
        "Finish with a question mark and {task}.",
        "{Task} and ask a question last.",
        "With a question at the end, {task}.",
    ),
}
