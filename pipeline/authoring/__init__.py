"""A ``params.yaml`` for somebody's own data, written for them.

    what is asked for -> wishes --+
    the data itself -> findings --+-> plan -> params_text -> writing -> params.yaml
                          |       |
                     suggestions -+

The command is ``python -m pipeline init`` (:mod:`pipeline.init_commands`).
"""
