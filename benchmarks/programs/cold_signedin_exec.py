import sys

from signedin import Client

print(Client("codex", transport="codex-exec").run(sys.argv[1]).text)
