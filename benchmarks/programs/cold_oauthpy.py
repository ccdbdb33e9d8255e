import sys

from oauthpy import Client

client = Client("codex", auth_source="external")
print(client.run(sys.argv[1], provider_options={"skip_git_repo_check": True}).text)
