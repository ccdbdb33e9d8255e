"""Many prompts on one warm process, a few at a time."""

from signedin import Client, Retry

questions = [f"Name {number} animals" for number in range(1, 6)]

with Client("codex", retry=Retry(max_retries=2)) as client:
    for outcome in client.map(questions, concurrency=3, ordered=True):
        print(outcome.prompt, "->", outcome.error or outcome.unwrap().text)
