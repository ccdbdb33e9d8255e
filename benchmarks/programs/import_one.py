"""Imports something; prints the seconds that took and the peak memory of the process in MB."""

import sys
import time

statement = compile(sys.argv[1], "<statement>", "exec")
start = time.perf_counter()
exec(statement)
seconds = time.perf_counter() - start

try:
    with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib is part of what is measured
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
except OSError:
    import resource

    # Inherits the peak of the process that started it, so on Linux it would be wrong.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
print(seconds, peak)
