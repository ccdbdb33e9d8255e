"""How fast signedin is, beside the programs and packages that do the same; see docs/benchmarks.md.

`python -m benchmarks` runs everything; `python -m benchmarks warm-turn --quick` is a quick look at
one measurement.
"""
