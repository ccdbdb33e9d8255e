import sys

from signedin import Client

provider, *transport, prompt = sys.argv[1:]
print(Client(provider, transport=transport[0] if transport else None).run(prompt).text)
