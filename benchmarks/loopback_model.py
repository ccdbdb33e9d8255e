"""Serves the loopback model until its stdin is closed; the first line it prints is the address."""

import sys

from benchmarks.answers import answer
from signedin.loopback import LoopbackModel

with LoopbackModel(answer) as model:
    print(model.url, flush=True)
    sys.stdin.read()
