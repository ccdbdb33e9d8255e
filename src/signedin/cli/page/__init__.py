"""A conversation as one HTML page that needs nothing else.

`record` reads conversations from results, events, stored sessions and JSON; `text` makes what an
agent or a command wrote safe to show; `diffs` counts and numbers changed lines; `document` fills
the template and writes the page.
"""
