import os
import sys

from oauthpy import Client

provider, prompt = sys.argv[1:]
keywords = {
    "codex": {"provider_options": {"skip_git_repo_check": True}},
    "claude": {},
    # Its own default has Gemini ask another model which one to take.
    "gemini": {"model": os.environ.get("GEMINI_MODEL")},
}
print(Client(provider, auth_source="external").run(prompt, **keywords[provider]).text)
