"""Batches: many rows, one journal, each row answered once, whatever dies.

`rows` makes prompts and keys of rows; `journal` is the file; `pace` decides how many run at once;
`runner` runs them; `batch` is what callers hold, and `blocking` the same without ``await``;
`reports` is what they read.
"""
