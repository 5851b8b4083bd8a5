"""Tables come in: from a file's bytes to rows in staging, judged, taken in by chunks, and undone again.

The way of an import: ``sheet`` (bytes become rows of text), ``fields`` (which column is what), ``cells`` and
``register_row`` (texts become values, all pure), then ``staging`` (rows lie in a table of their own and are judged
against what is there), ``register_plan`` (what is there), ``taking_in``, ``undoing``, and ``work`` (the job).
"""
