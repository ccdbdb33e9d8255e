"""What masking costs per kilobyte, for ordinary texts and for those of somebody who means harm.

    python -m benchmarks.masking

The costs of a text and of one that is 16 times as long are the same if the time is in proportion.
"""

import time

from signedin.model.redact import know, redact, redact_json

ORDINARY = {
    "prose": "the model reads a file and answers with a risk-assessment of the token; ",
    "diff": "+    return self._transport.request(method, url)\\n",
    "base64": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ/+",
}
HOSTILE = (
    *("eyJ-", "eyJaaaaaa.", "eyJaaaaaa.bbbb.", "sk-", "AKIA", "gh", "fw_a", "1//", "bearer "),
    *("bearer\t", "api_key=", 'password="', "TOKEN", "TOKEN ", "A", "_", "--", "--api-key "),
    *("--a", "\\", '\\"', '"', "\\u00", " ", "known-value-", "{", "[1e999,"),
)
SHORT, LONG = 16 * 1024, 256 * 1024


def per_kilobyte(text: str) -> float:
    """Returns microseconds, for a text and for the same as JSON."""
    encoded = text.encode()
    began = time.process_time()
    redact(text)
    redact_json(encoded)
    return (time.process_time() - began) * 1e6 / (len(text) / 1024)


def main() -> None:
    """Prints a line for each text."""
    know(f"known-value-{number}" for number in range(10))
    redact("eyJ bearer TOKEN")  # compiles the patterns
    print(f"{'text':24} {'us/kB':>8} {'16 times':>9} {'ratio':>6}")
    for name, part in {**ORDINARY, **{repr(part): part for part in HOSTILE}}.items():
        costs = [
            min(per_kilobyte(part * (size // len(part))) for _ in range(3))
            for size in (SHORT, LONG)
        ]
        print(f"{name:24} {costs[0]:8.1f} {costs[1]:9.1f} {costs[1] / costs[0]:6.1f}")


if __name__ == "__main__":
    main()
