import sys

from signedin import Client

print(Client("codex").run(sys.argv[1]).text)
