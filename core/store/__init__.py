"""The store: one SQLite file in the state directory, one writer (the worker), any number of readers."""
