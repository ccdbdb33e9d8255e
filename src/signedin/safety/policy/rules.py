"""Rules, and the policy that they make."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from signedin.model.approvals import ApprovalRequest, Decision
from signedin.model.errors import InvalidOptionError
from signedin.safety.policy.actions import actions_of
from signedin.safety.policy.patterns import (
    ANYTHING,
    Match,
    command_matches,
    name_matches,
    path_expression,
    path_matches,
)
from signedin.safety.policy.shell import Action, UnparsableError, parser

Verdict: TypeAlias = Literal["allow", "ask", "deny"]

_STRICTNESS = ("allow", None, "ask", "deny")

_FIELDS = {
    "command": "commands",
    "network": "network",
    "read": "read",
    "tool": "tools",
    "write": "write",
}
"""The field of a rule that has the patterns for each kind of action."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule of a policy; made by `allow`, `ask` and `deny`.

    Attributes:
        answer: What it answers.
        commands: Commands it is about, such as ``git push *``; a single ``*`` is anything at all,
            not only commands.
        read: Files that are read.
        write: Files that are written, moved or deleted.
        network: Hosts that are reached.
        tools: Tools of MCP servers, as ``server.tool``, and of the agent itself.
        reason: Passed to the agent where its protocol has room for it.
    """

    answer: Verdict
    commands: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuses a rule that is about nothing, or has a pattern that cannot be compared."""
        patterns = [pattern for field in _FIELDS.values() for pattern in getattr(self, field)]
        if not patterns or not all(pattern.strip() for pattern in patterns):
            raise InvalidOptionError(
                f"a rule that answers {self.answer!r} needs patterns that are not empty"
            )
        for pattern in (*self.read, *self.write):
            try:
                path_expression(pattern)
            except re.error as error:
                raise InvalidOptionError(
                    f"a rule that answers {self.answer!r} has the pattern {pattern!r}: {error.msg}"
                ) from None

    def __str__(self) -> str:
        """As it is written in Python."""
        named = {
            "read": self.read,
            "write": self.write,
            "network": self.network,
            "tool": self.tools,
        }
        parts = [f'"{pattern}"' for pattern in self.commands]
        for name, patterns in named.items():
            shown = ", ".join(f'"{pattern}"' for pattern in patterns)
            if patterns:
                parts.append(f"{name}={shown}" if len(patterns) == 1 else f"{name}=[{shown}]")
        return f"{self.answer}({', '.join(parts)})"

    def matches(self, action: Action, folder: Path, root: Path) -> Match:
        """Whether the rule is about an action.

        Args:
            action: What is asked for.
            folder: Where it would happen.
            root: The working directory of the agent, which patterns start from.
        """
        if ANYTHING in self.commands:
            return Match.YES if action.is_hidden or not action.incidental else Match.NO
        if action.is_hidden and self.answer != "allow":
            return Match.MAYBE
        patterns: tuple[str, ...] = getattr(self, _FIELDS.get(action.kind, ""), ())
        complete = self.answer == "allow"
        found = _match(patterns, action, folder, root, complete=complete) if patterns else Match.NO
        return found if complete or not action.unsure else min(found, Match.MAYBE)


def _match(
    patterns: tuple[str, ...], action: Action, folder: Path, root: Path, *, complete: bool
) -> Match:
    match action.kind:
        case "command":
            return command_matches(patterns, action.words, complete=complete)
        case "read" | "write":
            return path_matches(patterns, action, folder=folder, root=root, complete=complete)
        case _:
            found = (name_matches(each, action.words[0], complete=complete) for each in patterns)
    return max(found)


class Answer(msgspec.Struct, frozen=True):
    """What a policy answers, and why.

    Attributes:
        verdict: The answer; ``None`` if no rule is about it, which leaves it to ``permissions``.
        why: What decided, in words.
        rule: The rule that decided.
        number: Its place in the policy, from 1; 0 without a rule.
        part: The part of the request that it is about.
    """

    verdict: Verdict | None
    why: str
    rule: Rule | None = None
    number: int = 0
    part: str = ""

    def decision(self, request: ApprovalRequest) -> Decision | None:
        """Returns how a request is decided, ``None`` if the caller has to be asked."""
        if self.verdict == "deny":
            reason = self.rule.reason if self.rule else ""
            return Decision("deny", reason or "the policy does not permit it", self.why)
        if self.verdict == "ask" or request.unconfined:
            return None  # no rule lets anything out of a sandbox
        allowed = self.verdict == "allow" or request.permitted
        return Decision("allow") if allowed else None


class Policy(msgspec.Struct, frozen=True):
    """Rules in their order; for each part of a request the first that matches answers.

    Attributes:
        rules: The rules.

    Raises:
        InvalidOptionError: A rule never answers, because one before it always does.
        MissingExtraError: What takes commands apart is not installed.
    """

    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        """Checks the rules, and that commands can be taken apart."""
        for number, rule in enumerate(self.rules):
            if earlier := next((one for one in self.rules[:number] if _hides(one, rule)), None):
                raise InvalidOptionError(
                    f"policy: {rule} never answers, because {earlier} before it always does; "
                    "put it first"
                )
        if self.reads_commands:
            parser()

    @classmethod
    def of(cls, rules: Policy | Iterable[Rule]) -> Policy:
        """Returns the policy that rules make.

        Raises:
            InvalidOptionError: Something else is among them.
        """
        if isinstance(rules, Policy):
            return rules
        given = tuple(rules)
        for rule in given:
            if not isinstance(rule, Rule):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidOptionError(
                    "policy must be rules made by allow, ask and deny of signedin.safety.policy, "
                    f"not {rule!r}"
                )
        return cls(given)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Policy:
        """Reads a policy from a TOML file; it has a table ``[[rules]]`` with the fields of `Rule`.

        Raises:
            InvalidOptionError: The file is not a policy.
            OSError: It cannot be read.
        """
        try:
            found = tomllib.loads(Path(path).read_text("utf-8"))
            return cls(msgspec.convert(found, _File).rules)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise InvalidOptionError(f"policy {os.fspath(path)}: {error}") from None

    @property
    def reads_commands(self) -> bool:
        """Whether it matters what a command does."""
        return any(rule.commands != (ANYTHING,) and _about_commands(rule) for rule in self.rules)

    def forbids(self, kind: str) -> Rule | None:
        """Returns the first rule that denies or asks for a kind of action by name."""
        strict = (rule for rule in self.rules if rule.answer != "allow")
        return next((rule for rule in strict if getattr(rule, _FIELDS[kind])), None)

    def answer(self, request: ApprovalRequest, root: Path) -> Answer:
        """Answers a request.

        Nothing is started or written; links are followed to where they lead.

        Args:
            request: What the agent wants.
            root: Its working directory, which patterns of files start from.
        """
        folder = root / (request.cwd or "")
        try:
            actions = actions_of(request, take_commands_apart=self.reads_commands)
        except UnparsableError as error:
            return Answer("ask", f"the command cannot be taken apart: {error}")
        answers = [self._answer_part(action, folder, root) for action in actions]
        return max(answers, key=lambda answer: _STRICTNESS.index(answer.verdict))

    def _answer_part(self, action: Action, folder: Path, root: Path) -> Answer:
        unsure: Answer | None = None
        for number, rule in enumerate(self.rules, 1):
            match = rule.matches(action, folder, root)
            if match == Match.MAYBE and unsure is None:
                why = f"rule {number}, {rule}, may match {action.text!r}"
                unsure = Answer("ask", why, rule, number, action.text)
            if match == Match.YES:
                why = f"rule {number}, {rule}, matches {action.text!r}"
                found = Answer(rule.answer, why, rule, number, action.text)
                return unsure if unsure and rule.answer == "allow" else found
        if unsure:
            return unsure
        if action.incidental:
            return Answer("allow", f"nothing is against {action.text!r}", part=action.text)
        return Answer(None, f"no rule matches {action.text!r}", part=action.text)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: tuple[Rule, ...]


def _about_commands(rule: Rule) -> bool:
    return bool(rule.commands or rule.read or rule.write or rule.network)


def _hides(earlier: Rule, rule: Rule) -> bool:
    """Whether an earlier rule answers otherwise, and always, what a later rule is about."""
    if earlier.answer == rule.answer:
        return False
    if ANYTHING in earlier.commands:
        return True
    return all(
        _covers(earlier, kind, pattern)
        for kind, field in _FIELDS.items()
        for pattern in getattr(rule, field)
    )


def _covers(rule: Rule, kind: str, pattern: str) -> bool:
    patterns: tuple[str, ...] = getattr(rule, _FIELDS[kind])
    if kind != "command":
        return pattern in patterns
    complete = rule.answer == "allow"
    return command_matches(patterns, tuple(pattern.split()), complete=complete) == Match.YES


def _patterns(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


class _Maker:
    """Makes rules that answer the same."""

    def __init__(self, answer: Verdict) -> None:
        self._answer: Verdict = answer

    def __call__(
        self,
        *commands: str,
        read: str | Sequence[str] = (),
        write: str | Sequence[str] = (),
        network: str | Sequence[str] = (),
        tool: str | Sequence[str] = (),
        reason: str = "",
    ) -> Rule:
        return Rule(
            answer=self._answer,
            commands=commands,
            read=_patterns(read),
            write=_patterns(write),
            network=_patterns(network),
            tools=_patterns(tool),
            reason=reason,
        )


allow = _Maker("allow")
"""Makes a rule that allows: ``allow("git status", read="docs")``."""

ask = _Maker("ask")
"""Makes a rule that leaves it to ``on_approval=``, whatever the permissions are."""

deny = _Maker("deny")
"""Makes a rule that refuses; its ``reason=`` is what the agent is told."""
