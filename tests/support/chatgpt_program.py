"""The ``signedin`` program, with OpenAI's sign-in on 127.0.0.1: URL ARGUMENTS…"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from signedin.cli.app import run_program
from signedin.providers.chatgpt.sign_in import profiles
from support.chatgpt_account import profile_at

if __name__ == "__main__":
    url, *arguments = sys.argv[1:]
    profiles.PROFILES.update({name: profile_at(url, name) for name in profiles.PROFILES})
    sys.exit(run_program(arguments))
