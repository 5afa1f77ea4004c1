"""Private datasets: rows of any shape, understood by the names and values of their fields.

::

    first rows ─> names, columns, labels ─> Layout ─> read (one function a kind) ─> completions
                        (what and why)                └─> singles that share a prompt become one row

:mod:`pipeline.sources.layout` is the way in. What is decided for a whole file (which field is which, whether
texts are transcripts, how labels count) is decided once, from the first rows, and stands in the
:class:`~pipeline.sources.private.understood.Layout` with its reasons; rows that do not keep to it are faults.
"""
