import sys

from agentabi import run_sync

print(run_sync(prompt=sys.argv[1], agent="claude_code")["result_text"])
