"""A column under another name without a call that fails: the worked example of docs/operators/migrations.md.

Four releases of a small API (`views`) and the migrations between them. Each release runs beside the one before it.
"""
