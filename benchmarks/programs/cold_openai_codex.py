import os
import sys

from openai_codex import Codex, CodexConfig

with Codex(CodexConfig(codex_bin=os.environ["SIGNEDIN_CODEX_BINARY"])) as codex:
    print(codex.thread_start().run(sys.argv[1]).final_response)
