"""A repository that means harm, and every way to drive an agent in it.

The quick tests run signedin among all lures at once and hold it to what the bare programs did when
they were measured, which takes minutes and is a slow test: `pytest tests/faults/hostile -m slow`.
After a change of lures or of programs, `SIGNEDIN_WRITE=1` has it write down what it finds.
"""

import os
from collections.abc import Iterator

import pytest

from faults.hostile.homes import trusting
from faults.hostile.lures import BY_NAME, GIT, LURES
from faults.hostile.measure import ALLOWED, ANY, COMPLETED, REFUSED, Effects, Scene, scene
from faults.hostile.repository import Bait, groups
from faults.hostile.table import (
    BY_COMMAND,
    WORDS,
    Measured,
    read_measured,
    refuses,
    table,
    write_measured,
    written_table,
)
from signedin.model.capabilities import Capabilities
from signedin.providers.registry import load_provider
from support.folders import outside_of_sandboxes
from support.rows import COMPATIBILITY, ROWS, Row

PERMISSIONS = ("read-only", "workspace-write", "full-access")
ALSO = {"opencode": {"npmrc"}, "qwen": {"qwen-hook-PostToolUseFailure"}}
"""Lures that agents step into with signedin and did not when they were measured: how long a program
lives, and over which wire, decides."""

OWN_GIT = {("claude", "2.1.197"): {"git-fsmonitor", "git-filter"}}
"""What agents start when they themselves ask git for the state of a folder."""

PROGRAMS = sorted({(row.agent, row.version) for row in ROWS if row.agent})


@pytest.fixture(params=[*ROWS, *COMPATIBILITY], ids=lambda row: row.name, scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    """Each way to drive an agent."""
    return request.param


@pytest.fixture(scope="session")
def among_lures() -> Iterator[Scene]:
    """A model, and a server that is not the user's."""
    with outside_of_sandboxes() as folder, scene(folder) as made:
        yield made


@pytest.fixture(scope="module")
def baits(among_lures: Scene, row: Row) -> list[Bait]:
    """As few repositories as can hold all lures without that one hides another.

    One beside which an agent is not started, or that keeps it from others, has one of its own.
    """
    alone = [lure for lure in LURES if lure.spoils or refuses(driven_by(row), lure)]
    together = groups(lure for lure in LURES if lure not in alone)
    return [among_lures.bait(group) for group in (*together, *([lure] for lure in alone))]


@pytest.fixture(scope="session")
def measured() -> Measured:
    """What the bare programs did."""
    return read_measured()


def bare(row: Row, measured: Measured) -> Effects:
    """What lures do to the bare program of a row."""
    return measured.get(f"{row.agent}-{row.version}", {})


def capabilities(row: Row) -> Capabilities:
    """What a row can do."""
    return load_provider(row.provider).transports[row.transport]


def driven_by(row: Row) -> str:
    """The name by which the table of refusals has a row."""
    return row.provider if row.transport == "acp" else row.transport


def test_there_are_lures_for_every_agent() -> None:
    assert len(LURES) >= 40
    assert {row.agent for row in ROWS if row.agent} <= {lure.whose for lure in LURES}


@pytest.mark.parametrize(
    "permissions",
    [PERMISSIONS[0], *(pytest.param(more, marks=pytest.mark.matrix) for more in PERMISSIONS[1:])],
)
@pytest.mark.timeout(300)
def test_nothing_works_in_a_project_that_is_not_trusted(
    row: Row, permissions: str, among_lures: Scene, baits: list[Bait], measured: Measured
) -> None:
    given = {"permissions": permissions} if capabilities(row).workspace else {}
    home = among_lures.new_folder()
    with among_lures.watched(baits, permissions) as effects:
        with among_lures.client(row, home, **given) as client:
            ends = [among_lures.run(client, bait) for bait in baits]
    assert ends == [expected_end(row, bait) for bait in baits]
    assert unexpected(effects, row, measured, permissions) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_lure_works_that_is_alone(row: Row, among_lures: Scene, measured: Measured) -> None:
    given = {"permissions": "read-only"} if capabilities(row).workspace else {}
    wrong: dict[str, object] = {}
    with among_lures.client(row, among_lures.new_folder(), **given) as client:
        for lure in LURES:
            bait = among_lures.bait([lure])
            with among_lures.watched([bait]) as effects:
                end = among_lures.run(client, bait)
            worked = unexpected(effects, row, measured, "read-only")
            if worked or end != expected_end(row, bait):
                wrong[lure.name] = (end, worked)
    assert wrong == {}


@pytest.mark.timeout(300)
def test_of_git_nothing_is_started_before_the_model_acts(row: Row, among_lures: Scene) -> None:
    bait = among_lures.bait(GIT)
    with among_lures.watched([bait]) as effects:
        with among_lures.client(row, among_lures.new_folder()) as client:
            assert among_lures.run(client, bait, quiet=True) == COMPLETED
    assert set(effects) <= OWN_GIT.get((row.agent, row.version), set())


@pytest.mark.slow  # says that the lures work, nothing of signedin
@pytest.mark.timeout(300)
def test_what_works_in_a_trusted_project_works_without_signedin(
    row: Row, among_lures: Scene, measured: Measured
) -> None:
    if not capabilities(row).workspace:
        pytest.skip("works in no project")
    baits = [among_lures.bait(group) for group in groups(LURES)]
    home = among_lures.new_folder()
    with among_lures.watched(baits) as effects:
        with among_lures.client(row, home, trust_project=True) as client:
            for bait in baits:
                among_lures.run(client, bait)
    allows = {name for name, did in bare(row, measured).items() if ALLOWED in did}
    if allows:
        effects.pop(ANY, None)
    assert set(effects) <= set(bare(row, measured)) | ALSO.get(row.agent, set())


@pytest.mark.timeout(300)
def test_a_run_that_may_write_gives_no_trust_to_later_ones(
    row: Row, among_lures: Scene, measured: Measured
) -> None:
    if not capabilities(row).workspace:
        pytest.skip("works in no project")
    bait = among_lures.bait(groups(LURES)[0])
    home = among_lures.new_folder()
    for permissions in ("workspace-write", "read-only"):
        with among_lures.watched([bait], permissions) as effects:
            with among_lures.client(row, home, permissions=permissions) as client:
                assert among_lures.run(client, bait) == expected_end(row, bait)
        assert trusting(home, bait.cwd.parent) == []
        assert unexpected(effects, row, measured, permissions) == {}


def test_the_table_says_what_was_measured(measured: Measured) -> None:
    assert set(measured) == {f"{agent}-{version}" for agent, version in PROGRAMS}
    assert written_table() == table(measured)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("agent", "version"), PROGRAMS)
def test_what_the_bare_programs_do(
    agent: str, version: str, among_lures: Scene, measured: Measured
) -> None:
    effects = among_lures.bare_effects(agent, version)
    if os.environ.get("SIGNEDIN_WRITE"):
        write_measured(f"{agent}-{version}", effects)
    else:
        # Some depend on how long a program waits before it ends; none may work that nobody noted.
        assert set(effects) <= set(measured[f"{agent}-{version}"])


def expected_end(row: Row, bait: Bait) -> str:
    """How a run in a repository ends that is not trusted."""
    return REFUSED if any(refuses(driven_by(row), lure) for lure in bait.lures) else COMPLETED


def unexpected(effects: Effects, row: Row, measured: Measured, permissions: str) -> Effects:
    """What must not have worked without trust.

    Instructions are words, and stay on where the bare program follows them. What git starts of a
    `.git` folder from elsewhere, it starts when the model runs git, as `permissions` allows: in the
    sandbox of Codex it leaves no mark.
    """
    followed = bare(row, measured)
    by_command = {} if row.agent == "codex" else followed
    allowed = {
        name
        for name in effects
        if name in BY_NAME
        and (
            (BY_NAME[name].effect in WORDS and name in followed)
            or (
                BY_NAME[name].whose == BY_COMMAND
                and (name in by_command or permissions == "full-access")
            )
        )
    }
    return {name: did for name, did in effects.items() if name not in allowed}
