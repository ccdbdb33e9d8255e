"""A conversation that is continued, copied and read again."""

from signedin import Client

with Client("codex", cwd=".") as client:
    with client.session() as session:
        session.run("Remember the word: walrus")
        with session.fork() as copy:
            print("copy:", copy.run("Forget it, remember: seal").text)
        print("original:", session.run("Which word?").text)
        session.rename("words")
    for info in client.sessions(cwd=".", limit=2).sessions:
        print(info.id, info.name or info.preview)
    print(client.run("And its plural?", resume="latest").text)
