"""Makes a worktree of a repository and reports what it took: ours, or git's own."""

import asyncio
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from signedin import AsyncWorktree


async def ours(repository: Path) -> float:
    begun = time.perf_counter()
    async with AsyncWorktree(repository, include=[".env"]) as tree:
        made = time.perf_counter() - begun
        assert (tree.path / ".env").exists()
        return made


def git(repository: Path) -> float:
    folder = repository.with_name("by-git")
    command = ["git", "-C", repository, "worktree"]
    begun = time.perf_counter()
    subprocess.run([*command, "add", "--quiet", "--detach", folder], check=True)
    made = time.perf_counter() - begun
    subprocess.run([*command, "remove", "--force", folder], check=True)
    return made


def main() -> None:
    repository = Path(sys.argv[2])
    wall = git(repository) if sys.argv[1] == "git" else asyncio.run(ours(repository))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in used)
    print(json.dumps({"wall": wall, "cpu": cpu}))


if __name__ == "__main__":
    main()
