"""One prompt, one answer."""

from signedin import Client

with Client("codex") as client:
    result = client.run("What does this repository do?", cwd=".")
    print(result.text)
    if result.usage:
        print(result.usage.total_tokens, "tokens")
    print(f"continue with resume={result.session_id!r}")
