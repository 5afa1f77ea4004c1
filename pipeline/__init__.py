"""A preference-data pipeline: raw scored completions to an aligned, evaluated model.

::

    source rows ─> pull ─> binarize ─> filter ─> decontaminate ─> dedupe ─> curate ─> split
                                                                                        │
    base model ──> pull_model ─────┬──────────────────────────────> tokenize <──────────┘
                                   │                                    │
                                   │                              Arrow shards
                                   │                                    │
                                   ├──────────> reference ────────────> │  (DPO alone)
                                   │                                    │
                                   ├──────────────────────────────>   train ──> model
                                   │                                              │
                                   └──────> evaluate, benchmark <─────────────────┘
                                                    │
                                     metrics, per-pair tables ──> report

Every stage that can drop rows returns kept and dropped; a ``pair_id`` born in ``binarize`` survives to the
shard, the training log and the evaluation table. ``check`` (the wing ``inspection``) says what all of this
would make of source rows, before any of it is run, and ``init`` (the wing ``authoring``) writes params for
them. Imports run one way: ``stages`` -> wings (``sources``, ``pairs``, ``curation``, ``tokens``,
``authoring``, ``inspection``, ``training``, ``evaluation``, ``report``) -> base (the modules beside this
file, and ``params``).
"""
