"""A look at a source before anything is made of it: ``python -m pipeline check``.

::

    source ─> understood, every row read, defects by row      (survey)
           └> a sample of rows ─> binarize ... split in memory (trial)
                                    ─> tokens: lengths, examples
           ─> estimates, changes ─> a page, JSON

Nothing here writes to the project, and of a source of any size a sample of rows is held.
"""
