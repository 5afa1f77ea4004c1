"""Side-by-side measurements against what people use today; run by hand, never by the test suite.

    corpus -> peers and ours, each in a process of its own -> data.py -> figures and a table

``python benchmarks/data.py --json FILE`` measures the data half: what it makes of 64,000 rows shaped like
UltraFeedback, how long that takes and how much memory, beside the tools most people would take instead.
``python benchmarks/tokenize.py --json FILE`` measures tokenising, and
``python benchmarks/train.py --json FILE`` training, each beside TRL's.
``python benchmarks/suspects.py --work FOLDER`` measures how well suspects finds labels that are known to be
wrong, and ``python benchmarks/review_loop.py`` prepares the run that tells what reviewing them is worth.
"""
