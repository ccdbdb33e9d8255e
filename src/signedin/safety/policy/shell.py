"""Takes a command line apart: every program it may start, every file it names to be written.

Commands are parsed as bash reads them, with tree-sitter. What is only known when the command runs,
such as ``$NAME`` or ``*.py``, is an unknown word (``None``), which matches anything but is never
allowed by name. What cannot be taken apart is refused here and asked by the policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from signedin.model.extras import from_extra
from signedin.safety.policy import programs

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Word: TypeAlias = str | None
"""A word of a command; ``None`` stands for any number of words that are not known beforehand."""

_ARITHMETIC_TESTS = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})

_LOOKS_UP = frozenset({"-v", "-R"})
"""Tests of a variable, whose index is arithmetic."""

_SETTING = re.compile(r"[-+][abefhmnoptuvxBCEPT]*")
"""Options of ``set`` with which words are read as without; not those for assignments, history."""

_NO_SCRIPT = frozenset("HOkos")
"""Options of shells with which the words after them are not a script, or are for the option."""

_RESERVED = frozenset(
    {
        *("!", "(", ")", "[[", "]]", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi"),
        *("for", "function", "if", "in", "select", "then", "until", "while"),
    }
)

_FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})

_NO_FILES = frozenset({"/dev/null", "/dev/tty"})
_NETWORK = ("/dev/tcp/", "/dev/udp/")
_STORES = re.compile(r"%[-+ #'0*\d.hjlLqtz]*n")
"""What ``printf`` of bash stores in a variable."""
_DEVICE = re.compile(r"(?:^|\.\.)/(?:\.?/)*(?:dev|proc)/")
_TARGET = re.compile(r"(?:-[A-Za-z]*t|--t[a-z-]*=)(.+)")
"""The option of ``cp`` and its like that names the folder to write to."""
_HOME = re.compile(r"~(?:/|$)")
_GLUED = re.compile(r"-[A-Za-z\d]+")
_EXPANDED = re.compile(r"(?<!\\)(?:[*?\[]|\{[^}]*(?:,|\.\.)|[@+!]\()|^~(?!/|$)|^=")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_IN_QUOTES = re.compile(r'\\([$`"\\])')
_JOINED_LINE = re.compile(r"\S\\\n\S")
_STREAM = re.compile(r"\d+|-")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_STAND_IN = "Q"
_BACK = frozenset("`\\")
_BLANK = frozenset(" \t\n")
_GAP = re.compile(r"[ \t\n]*(?: - ?)?")
"""What may be between nodes; the parser leaves out a dash before a here-document."""
_BEFORE_COMMENTS = ("", *" \t\n;&|()")
_PIECES = re.compile(r"[=:@,]")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DECLARED_AS = re.compile(r"[-+][AFafgIlprtucvx]*")  # not i, as arithmetic, nor n, by another name
_NUMBERS = re.compile(r"(?:\$\(\(|\$\[|\$[?#]|\$\{#\w+(?:\[[@*]\])?\}|[]\s\d()+*/%<>=!&|^~?:,-])*")
_VALUE = re.compile(
    r"\$\{#?(?:\w+|[@*#?$-])(?:\[(?:\d+|[@*])\])?"
    r"(?:(?:[-+?#%/^,]|:[-+?]|@[^P]).*|:[\d\s:-]+)?\}",
    re.DOTALL,
)
"""``${…}`` that sets nothing and reads no text as arithmetic, as a name or as a prompt."""
_SUBSTITUTED = re.compile(r"\$[({[]|[<>]\(|`")
"""What the parser leaves in text at some places."""
_MARK = re.compile(r"\\?[\w.-]+|'[\w .-]+'|\"[\w .-]+\"", re.ASCII)
_SUBSTITUTED_IN_HEREDOC = re.compile(r"\$\[|\$\(\(|`")
_STREAM_NAME = re.compile(r"\{\w+\}")
_LONGEST = 100_000
_DEEPEST = 8
_TOO_LARGE = "it is nested too deep or too long"

_OPAQUE = frozenset(
    {
        "ansi_c_string",
        "arithmetic_expansion",
        "array",
        "brace_expression",
        "command_substitution",
        "expansion",
        "extglob_pattern",
        "process_substitution",
        "regex",
        "simple_expansion",
    }
)
"""Parts of words whose value is only known when the command runs."""

_UNDERSTOOD = _OPAQUE | {
    *("binary_expression", "c_style_for_statement", "case_item", "case_statement", "command"),
    *("command_name", "comment", "compound_statement", "concatenation", "declaration_command"),
    *("do_group", "elif_clause", "else_clause", "file_descriptor", "file_redirect"),
    *("for_statement", "function_definition", "heredoc_body", "heredoc_content", "heredoc_end"),
    *("heredoc_redirect", "heredoc_start", "herestring_redirect", "if_statement", "list"),
    *("negated_command", "number", "parenthesized_expression", "pipeline", "postfix_expression"),
    *("program", "raw_string", "redirected_statement", "special_variable_name", "string"),
    *("string_content", "subscript", "subshell", "ternary_expression", "test_command"),
    *("test_operator", "unary_expression", "unset_command", "variable_assignment"),
    *("variable_assignments", "variable_name", "while_statement", "word"),
}
"""All that is read; what the parser knows besides, and what it will know, is refused."""


_COMPOSED = frozenset(
    {
        *("arithmetic_expansion", "binary_expression", "brace_expression", "concatenation"),
        *("declaration_command", "expansion", "heredoc_body", "heredoc_redirect"),
        *("parenthesized_expression", "postfix_expression", "string", "subscript"),
        *("ternary_expression", "test_command", "unary_expression", "variable_assignment"),
    }
)
"""Nodes whose parts need no blank between them; for declarations, see there."""


class UnparsableError(Exception):
    """A command that cannot be taken apart; its text says why."""


class Action(msgspec.Struct, frozen=True):
    """One thing that somebody wants to do.

    Attributes:
        kind: What it is.
        words: The words of a command; for anything else one word: the path, host or tool.
        incidental: Whether it needs no rule that allows it, because the rest of the request says
            all: a file that is read, a program that only starts another.
        moved: Whether a relative path may be relative to another folder than the request says.
        alone: Whether it is about a folder and nothing that is in it.
        unsure: Whether it is not known that it is done at all.
    """

    kind: str
    words: tuple[Word, ...]
    incidental: bool = False
    moved: bool = False
    alone: bool = False
    unsure: bool = False

    @property
    def is_hidden(self) -> bool:
        """Whether it stands for commands that cannot be known."""
        return self.kind == "command" and self.words[0] is None

    @property
    def text(self) -> str:
        """How it is named in messages."""
        return " ".join("…" if word is None else word for word in self.words)


def program(word: str) -> str:
    """Returns a program by its name alone if it is where systems have theirs."""
    folder, slash, name = word.rpartition("/")
    return name if slash and folder in programs.SYSTEM_FOLDERS else word


def take_apart(command: str) -> list[Action]:
    """Returns all that a command line does, as far as its text says.

    Raises:
        UnparsableError: It cannot be taken apart.
        MissingExtraError: The parser is not installed.
    """
    actions = list(_line(command, 0))
    if not any(action.kind == "command" and _changes_folder(action.words) for action in actions):
        return actions
    return [msgspec.structs.replace(action, moved=True) for action in actions]


def _changes_folder(words: Sequence[Word]) -> bool:
    """Whether relative paths may then be relative to another folder, or lead through a new link."""
    name = _base(words[0])
    if name in programs.CHANGES_FOLDER or name in programs.MAKES_LINKS:
        return True
    options = programs.FOLDER_OPTIONS.get(name, ())
    return any(word is not None and _is_option(word, options) for word in words[1:])


def _is_option(word: str, options: Iterable[str]) -> bool:
    """Whether a word may be one of some options, with its value or among others in one word."""
    return any(
        word.startswith(option)
        or (len(option) == len("-x") and word[:1] == "-" != word[1:2] and option[1] in word)
        for option in options
    )


def _base(word: Word) -> str:
    """The name of a program without its folder, as it is known on most systems."""
    name = (word or "").rpartition("/")[2].casefold()
    return name[1:] if name[:1] == "g" and name[1:] in programs.GNU else name


@cache
def parser() -> Parser:
    """Returns the parser of bash.

    Raises:
        MissingExtraError: It is not installed.
    """
    with from_extra("policy", "a policy"):
        import tree_sitter  # noqa: PLC0415 - an extra
        import tree_sitter_bash  # noqa: PLC0415

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def _line(command: str, depth: int) -> Iterator[Action]:
    if depth > _DEEPEST or len(command) > _LONGEST:
        raise UnparsableError(_TOO_LARGE)
    if any((c < " " and c not in "\t\n") or (c.isspace() and c not in " \t\n") for c in command):
        raise UnparsableError("it has control characters")
    if _JOINED_LINE.search(command):
        raise UnparsableError("a word of it goes over two lines")
    # The parser may crash at characters above U+FFFF (tree-sitter-bash 0.25.1).
    root = parser().parse(_BEYOND_ASCII.sub(_STAND_IN, command).encode()).root_node
    if root.has_error:
        raise UnparsableError("it is not a command that bash would read")
    yield from _CommandReader(command, depth).actions(root)


class _CommandReader:
    """Reads the nodes of one command line.

    Args:
        line: The command line; an offset in it is one in what was parsed.
        depth: How many command lines it is in.
    """

    def __init__(self, line: str, depth: int) -> None:
        self._line = line
        self._depth = depth

    def actions(self, root: Node) -> Iterator[Action]:
        """Returns what all nodes do, wherever they are nested."""
        ends = (
            [root.children[0].start_byte, root.children[-1].end_byte] if root.children else [0, 0]
        )
        if (self._line[: ends[0]] + self._line[ends[1] :]).replace("\\\n", "").strip(" \t\n"):
            raise UnparsableError("a part of it is left out by the parser")
        pending = [root]
        while pending:
            node = pending.pop()
            self._check(node)
            yield from self._node(node)
            if self._is_evaluated(node):
                yield _UNKNOWN
            self._check_gaps(node)
            pending.extend(reversed(node.children))

    def _check(self, node: Node) -> None:
        """Refuses what the parser reads otherwise than shells do, or some shells."""
        text = self._text(node)
        match node.type:
            case kind if node.is_named and kind not in _UNDERSTOOD:
                raise UnparsableError(f"it has a part of an unknown kind, {kind}")
            case "command_substitution" if text[0] == "`" and not _BACK.isdisjoint(text[1:-1]):
                # The shell takes a backslash away and reads what is left once more.
                raise UnparsableError("a backquote or backslash is in backquotes")
            case "compound_statement" | "test_command" if text.startswith("(("):
                # A subshell in a subshell where sh is dash, which knows no such arithmetic.
                raise UnparsableError("'((' begins arithmetic in some shells, commands in others")
            case "compound_statement" if re.match(r"\{\S", text):
                raise UnparsableError("a word of it begins with a brace")  # a list to expand
            case "comment" if self._before(node) not in _BEFORE_COMMENTS:
                raise UnparsableError("a '#' is in a word")
            case "heredoc_redirect":
                self._check_heredoc(node)
            case "word":
                if not _BLANK.isdisjoint(_ESCAPED.sub("", text)) or "\n" in text:
                    raise UnparsableError("a word of it has blanks")
            case _:
                pass

    def _check_gaps(self, node: Node) -> None:
        """Refuses two words without a blank between them, which are one for the shell."""
        if node.type in _COMPOSED:
            return
        for one, two in pairwise(node.children):
            gap = self._line[one.end_byte : two.start_byte].replace("\\\n", "")
            touching = not gap and self._before(two) not in _BLANK
            words = one.is_named and two.is_named and self._text(two)[:1] not in "<>&"
            if not _GAP.fullmatch(gap) or (touching and words):
                raise UnparsableError("it has two words without a blank between them")

    def _node(self, node: Node) -> Iterator[Action]:
        match node.type:
            case "command":
                yield from _command(self._words(node), self._depth)
            case "declaration_command" | "unset_command":
                yield Action("command", (self._text(node).split()[0], None), incidental=True)
                yield from _declared(self._declaration(node), self._depth)
            case "variable_assignment":
                yield from self._assignment(node)
            case "function_definition":
                name = node.child_by_field_name("name")
                yield Action("command", (f"{self._text(name)}()" if name else None,))
            case "for_statement":
                yield from self._loop(node)
            case "file_redirect":
                yield from self._redirect(node)
            case _:
                pass

    def _is_evaluated(self, node: Node) -> bool:
        """Whether the shell may run text that is in it, or sets a variable to what is not known."""
        match node.type:
            case "arithmetic_expansion":
                return not _NUMBERS.fullmatch(self._text(node))
            case "c_style_for_statement":
                return True
            case "expansion":
                text = self._text(node)
                # In quotes, and in a here-document, single quotes in it do not quote.
                return not _VALUE.fullmatch(text) or ("'" in text and _runs(text[2:]))
            case "word" | "regex" | "extglob_pattern" | "string_content" | "``":
                return _runs(self._text(node))
            case "heredoc_redirect":
                return self._is_stored(node) or self._is_substituted(node)
            case "test_command":
                return self._is_evaluated_test(node)
            case "file_redirect" | "herestring_redirect":
                return self._is_stored(node)
            case _:
                return False

    def _words(self, node: Node) -> tuple[Word, ...]:
        """The name of a command and its arguments; assignments and redirections are nodes too."""
        name = node.child_by_field_name("name")
        if name is None:
            raise UnparsableError("it has no name")
        # The parser continues after the end of a line that is followed by a backslash.
        for one, next_one in pairwise(node.children):
            if "\n" in self._line[one.end_byte : next_one.start_byte].replace("\\\n", ""):
                raise UnparsableError("a command of it goes over two lines")
        arguments = node.children_by_field_name("argument")
        read = (each for each in arguments if not self._is_descriptor(each))
        return tuple(self._word(each) for each in (name, *read))

    def _is_descriptor(self, node: Node) -> bool:
        """Whether it is the number of a stream, a word for the parser: ``sh 0<file``."""
        return node.type == "number" and self._line[node.end_byte :][:1] in {"<", ">"}

    def _word(self, node: Node) -> Word:
        word = self._unquoted(node)
        if word and word[0] == "~" and not _HOME.match(self._text(node)):
            return None  # a file of this name, as it is quoted
        return word

    def _unquoted(self, node: Node) -> Word:
        text = self._text(node)
        match node.type:
            case "command_name":
                return self._word(node.children[0])
            case "raw_string":
                return text[1:-1]
            case "string":
                if any(child.type in _OPAQUE for child in node.children):
                    return None
                return _ESCAPED_IN_QUOTES.sub(r"\1", text[1:-1]).replace("\\\n", "")
            case "concatenation":
                parts = [self._word(child) for child in node.children]
                known = None not in parts and not _EXPANDED.search(text)
                return "".join(part or "" for part in parts) if known else None
            case "word" | "number" | "test_operator" | "variable_name":
                return None if _EXPANDED.search(text) else _ESCAPED.sub(r"\1", text)
            case kind if kind in _OPAQUE or not node.is_named:
                return None
            case kind:
                raise UnparsableError(f"it has a word of an unknown kind, {kind}")

    def _text(self, node: Node) -> str:
        return self._line[node.start_byte : node.end_byte]

    def _before(self, node: Node) -> str:
        """The character before a node, if there is one."""
        return self._line[max(node.start_byte - 1, 0) : node.start_byte]

    def _assignment(self, node: Node) -> Iterator[Action]:
        value = node.child_by_field_name("value")
        name = node.child_by_field_name("name")
        if name is None or name.type != "variable_name":
            yield _UNKNOWN
        else:
            word = "" if value is None else self._word(value)
            yield from _set(self._text(name), word, self._depth)

    def _loop(self, node: Node) -> Iterator[Action]:
        """What the variable of a loop is set to."""
        name = self._text(node.children_by_field_name("variable")[0])
        values = node.children_by_field_name("value")
        for value in values:
            yield from _set(name, self._word(value), self._depth)
        if not values:
            yield _UNKNOWN

    def _declaration(self, node: Node) -> Iterator[Word]:
        """What is declared, but for the assignments, which are nodes too."""
        for before, each in pairwise(node.children):
            if before.end_byte == each.start_byte:
                yield None  # they are one word
            elif each.type != "variable_assignment":
                yield self._word(each)

    def _is_evaluated_test(self, test: Node) -> bool:
        double = self._text(test).startswith("[[")
        operands = list(self._operands(test))
        if not double and any(self._is_several(each) for each in operands):
            return True
        texts = ["", *map(self._text, operands), ""]
        for before, text, after in zip(texts, texts[1:], texts[2:], strict=False):
            if text in _LOOKS_UP and not _NAME.fullmatch(after):
                return True
            numbers = _NUMBERS.fullmatch(before) and _NUMBERS.fullmatch(after)
            if double and text in _ARITHMETIC_TESTS and not numbers:
                return True
        return False

    def _operands(self, node: Node) -> Iterator[Node]:
        """The words of a test, with its operators."""
        for child in node.children:
            if child.type.endswith("_expression"):
                yield from self._operands(child)
            else:
                yield child

    def _is_several(self, node: Node) -> bool:
        """Whether it may be several words."""
        text = self._text(node)
        if not node.is_named or _NUMBERS.fullmatch(text) or self._word(node) is not None:
            return False
        return node.type != "string" or "@" in text

    def _check_heredoc(self, heredoc: Node) -> None:
        """Refuses a here-document that bash may end at another line than the parser."""
        if heredoc.child_by_field_name("argument"):
            raise UnparsableError("a word follows the mark of a here-document")
        mark, end = self._marks(heredoc)
        name = self._text(mark)
        if not _MARK.fullmatch(name) or _STAND_IN in name:
            raise UnparsableError("the mark of a here-document is none that is known")
        # The parser takes the beginning of a line for the end.
        stop = self._line.find("\n", end.end_byte)
        lines = self._line[mark.end_byte : None if stop < 0 else stop].split("\n")
        indent = "\t" if any(child.type == "<<-" for child in heredoc.children) else ""
        found = [line.lstrip(indent) == name.strip("\\'\"") for line in lines]
        if not found[-1] or any(found[1:-1]):
            raise UnparsableError("a here-document does not end where its mark is first")

    def _is_substituted(self, heredoc: Node) -> bool:
        """Whether there is something in a here-document that the parser does not see there."""
        quoted = self._text(self._marks(heredoc)[0]).startswith(("\\", "'", '"'))
        text = _ESCAPED.sub("", self._text(heredoc))
        return not quoted and bool(_SUBSTITUTED_IN_HEREDOC.search(text))

    @staticmethod
    def _marks(heredoc: Node) -> tuple[Node, Node]:
        start, end = (
            next((child for child in heredoc.children if child.type == kind), heredoc)
            for kind in ("heredoc_start", "heredoc_end")
        )
        return start, end

    def _is_stored(self, redirection: Node) -> bool:
        """Whether the number of the stream is stored in a variable, as in ``{NAME}>file``."""
        end = redirection.start_byte
        start = self._line.rfind("{", 0, end) if self._before(redirection) == "}" else end
        named = _STREAM_NAME.fullmatch(self._line, start, end)
        return named is not None and self._line[start - 1 : start] != "$"

    def _redirect(self, node: Node) -> Iterator[Action]:
        targets = node.children_by_field_name("destination")
        if len(targets) != 1:
            raise UnparsableError("a word follows a redirection")
        operator = next(child.type for child in node.children if not child.is_named)
        target = self._word(targets[0])
        copies = operator in {">&", "<&"} and target is not None and _STREAM.fullmatch(target)
        if copies or target in _NO_FILES:
            return
        if target is None or target.startswith(_NETWORK):
            host = target.split("/")[3] if target else None
            yield Action("network", (host,), unsure=target is None)
        if operator in {">&", "<&"} and (target is None or _runs(target)):
            yield _UNKNOWN  # bash expands it twice
        if operator in {"<", "<&"}:
            yield Action("read", (target,), incidental=True)
        else:
            yield Action("write", (target,))


def _command(words: tuple[Word, ...], depth: int) -> Iterator[Action]:
    """A command, what it starts, and the files that it names."""
    if depth > _DEEPEST:
        raise UnparsableError(_TOO_LARGE)
    name = program(words[0]) if words[0] else None
    if name in _RESERVED:
        raise UnparsableError(f"{name!r} is where a command should be")
    base = _base(name)
    inside = list(_inside(base, words, depth))
    known = bool(inside) and not any(action.is_hidden for action in inside)
    passing = known and (name in programs.PASSING or name in programs.SHELLS)
    yield Action("command", (name, *words[1:]), incidental=passing)
    yield from _files(base, words[1:])
    if base == "nohup":  # on a terminal
        yield Action("write", ("nohup.out",), incidental=True, unsure=True)
    yield from inside


def _inside(name: str, words: Sequence[Word], depth: int) -> Iterator[Action]:
    """What a command starts in turn."""
    if name in programs.SHELLS:
        yield from _shell(words, depth)
    elif name in programs.WRAPPERS:
        yield from _inner(name, words, depth)
    elif name in {"find", "fd", "fdfind"}:
        yield from _found(name, words, depth)
    elif name == "eval" and None not in words:
        text = words[2:] if words[1:2] == ("--",) else words[1:]
        yield from _line(" ".join(word or "" for word in text), depth + 1)
    elif name in programs.DECLARING:
        yield from _declared(words[1:], depth)
    elif name in programs.DEFAULTS and all((word or "").startswith("-") for word in words[1:]):
        yield Action("command", (name, programs.DEFAULTS[name]), incidental=True)
    elif name in programs.RUNNERS:
        yield from _run(name, words, depth)
    elif _is_hiding(name, words):
        yield _hidden()
    elif _evaluates(name, words):
        yield _UNKNOWN


def _is_hiding(name: str, words: Sequence[Word]) -> bool:
    """Whether a program starts another that is not taken apart here."""
    if name in programs.HIDING or programs.LOADER.fullmatch(name) or _is_in_container(name, words):
        return True
    if name == "git":
        return _is_hiding_git(words[1:])
    return any(_names(word, programs.STARTING_OPTIONS.get(name, ())) for word in words[1:])


def _is_hiding_git(words: Sequence[Word]) -> bool:
    """Whether git is told on the line what to start, by itself or by one of its commands."""
    for at, word in enumerate(words):
        before = words[at - 1] if at else None
        if word is None or _names(word, programs.STARTING_OPTIONS["git"]):
            return True
        if not word.startswith("-") and before not in programs.GIT_VALUED:
            wanted = programs.STARTING_OPTIONS.get(f"git {word}", ())
            return any(_names(each, wanted) for each in words[at + 1 :])
    return False


def _names(word: Word, options: Sequence[str]) -> bool:
    """Whether a word is one of some words or options, which may be shortened or have a value."""
    if word is None:
        return False
    name = word.partition("=")[0]
    if name.startswith("--"):
        return any(one.startswith(name) for one in options if name != "--")
    return word in options or _is_option(word, [one for one in options if one[0] == "-"])


def _evaluates(name: str, words: Sequence[Word]) -> bool:
    """Whether a builtin runs text, sets a variable or has lines read otherwise from then on."""
    match name:
        case "jobs":
            return _has_option(words, "x")
        case "wait":
            return _has_option(words, "p")
        case "printf":
            return _stores(words[1:])
        case "test" | "[":
            return _looks_up(words)
        case "set":
            return not _is_plain_setting(words[1:])
        case "shopt":
            return not {*words[1:]} <= {"-s", "-u", "-q", "-p", *programs.SHELL_OPTIONS}
        case _:
            return False


def _is_plain_setting(words: Sequence[Word]) -> bool:
    """Whether lines are read after ``set`` as before."""
    options = words[: words.index("--")] if "--" in words else words
    return all(
        word is not None and (word in programs.SHELL_OPTIONS or _SETTING.fullmatch(word))
        for word in options
    )


def _stores(words: Sequence[Word]) -> bool:
    """Whether ``printf`` may set a variable: with ``-v``, or where its format says so."""
    rest = words[1:] if words[:1] == ("--",) else words
    if not rest:
        return False
    form = rest[0]
    return (
        form is None
        or (form[:1] == "-" and rest is words)
        or bool(_STORES.search(form.replace("%%", "")))
    )


def _runs(text: str) -> bool:
    """Whether there is a substitution in text."""
    return bool(_SUBSTITUTED.search(_ESCAPED.sub("", text)))


_UNKNOWN = Action("command", (None,))
"""Text that is not known and that the shell runs, or sets a variable to."""


def _set(name: str, value: Word, depth: int) -> Iterator[Action]:
    """Setting a variable, and what is run because of it."""
    if value is None or name.startswith("BASH_FUNC_") or value.lstrip().startswith("("):
        yield _UNKNOWN  # in brackets, builtins take it for an array and expand it
        return
    yield Action("command", (f"{name}={value}",))
    if programs.is_run(name) and value.strip():
        inside = _line(f'{value} "$@"', depth + 1)
        yield from (msgspec.structs.replace(action, incidental=True) for action in inside)
    elif not programs.is_run(name) and programs.is_evaluated(name):
        yield _hidden()


def _declared(words: Iterable[Word], depth: int) -> Iterator[Action]:
    """What a declaration sets; what is only named may be set to nothing by it."""
    for word in words:
        name, _, value = (word or "").partition("=")
        if _NAME.fullmatch(name.removesuffix("+")):
            yield from _set(name.removesuffix("+"), value, depth)
        elif word is None or not _DECLARED_AS.fullmatch(word):
            yield _UNKNOWN


def _has_option(words: Sequence[Word], letter: str) -> bool:
    """Whether there may be an option with a letter among the arguments of a command."""
    return any(word is None or (word[:1] == "-" and letter in word) for word in words[1:])


def _looks_up(words: Sequence[Word]) -> bool:
    """Whether ``test`` may look up a variable by more than its name."""
    pairs = pairwise((*words, ""))
    return None in words or any(
        word in _LOOKS_UP and not _NAME.fullmatch(after or "") for word, after in pairs
    )


def _hidden() -> Action:
    """Stands for commands that cannot be known."""
    return Action("command", (None,), incidental=True)


def _files(name: str, words: Sequence[Word]) -> Iterator[Action]:
    writes, alone = name in programs.WRITERS, name in programs.CHANGES_FOLDER
    last = words.index("--") if "--" in words else len(words)
    for number, word in enumerate(words):
        pieces = _pieces(word) - _NO_FILES
        yield from (Action("read", (each,), incidental=True, alone=alone) for each in pieces)
        if writes and word is not None and word.startswith("-") and number < last:
            yield from _written(word)
        elif writes:  # with /dev/null, which some of them move or delete
            found = {word} if word is None else {word, *_PIECES.split(word)} - {"", "-"}
            yield from (Action("write", (each,), incidental=True) for each in found)


def _pieces(word: Word) -> set[Word]:
    """What a word may name, as a whole or in part."""
    return {word} if word is None else {word, *_PIECES.split(word), *_values(word)} - {"", "-"}


def _values(option: str) -> Iterator[str]:
    """What may be the value of an option, if it is glued to it."""
    if letters := _GLUED.match(option):
        yield from (option[start:] for start in range(len("-x"), letters.end() + 1))


def _written(option: str) -> Iterator[Action]:
    """What an option of a program that writes names, if it may be a path."""
    if target := _TARGET.fullmatch(option):
        yield Action("write", (target[1],), incidental=True)
    elif "/" in option or "." in option:
        values = {option.partition("=")[2], *_values(option)} - {""}
        yield from (Action("write", (each,), incidental=True, unsure=True) for each in values)


def _shell(words: Sequence[Word], depth: int) -> Iterator[Action]:
    """``bash -c TEXT`` is what the text does; what comes from elsewhere cannot be known."""
    for number, word in enumerate(words[1:], 1):
        if word is not None and not word.startswith(("-", "+")):
            if _DEVICE.search(word):
                break  # from a stream
            return  # a script
        if word == "--login":
            continue
        if word is None or word.startswith("--") or _NO_SCRIPT & {*word}:
            break
        if "c" in word:
            text = words[number + 1] if number + 1 < len(words) else None
            if text is None or text.startswith(("-", "+")):
                break
            yield from _line(text, depth + 1)
            return
    yield _hidden()


def _inner(name: str, words: Sequence[Word], depth: int) -> Iterator[Action]:
    """The command that another one starts; unknown where it follows options not known here."""
    start = _start(name, words)
    while start and start < len(words) and "=" in (words[start] or ""):
        name, _, value = (words[start] or "").partition("=")
        yield from _set(name, value, depth)
        start += 1
    rest = () if start is None else tuple(words[start:])
    if start is None or (rest and (rest[0] or "-").startswith("-")):
        yield _hidden()
    elif rest:
        rest = (*_replaced(words[1:start], rest), None) if name == "xargs" else rest
        yield from _command(rest, depth + 1)


def _replaced(options: Sequence[Word], words: Sequence[Word]) -> Sequence[Word]:
    """The words in which ``xargs -I`` replaces text, as not known."""
    for word, after in pairwise((*options, "")):
        _, found, value = (word or "").partition("I")
        if found and (word or "").startswith("-"):
            return [None if (value or after or "") in (each or "") else each for each in words]
    return words


def _start(name: str, words: Sequence[Word]) -> int | None:
    """Where the command begins that a program starts, ``None`` if that cannot be known."""
    flags, valued = programs.WRAPPERS[name]
    number = 1
    while number < len(words):
        word = words[number]
        if word is None:
            return None
        if word == "--" or not word.startswith("-"):
            number += word == "--"
            break
        letters = word[1:].lstrip(flags)
        if not letters or letters[0] not in valued:
            if letters or word == "-":
                return None
            number += 1
        else:
            number += 1 if len(letters) > 1 else 2
    number += name == "timeout"
    return None if None in words[1:number] else number


def _run(name: str, words: Sequence[Word], depth: int) -> Iterator[Action]:
    """The command after ``run``; unknown where options come first."""
    words = (name, *words[1:])
    start = next((at for at, word in enumerate(words) if word in programs.RUNNERS[name]), None)
    if start is None:
        return
    rest = words[start + 1 :]
    rest = rest[1:] if rest[:1] == ("--",) else rest
    if rest and (rest[0] or "-").startswith("-"):
        yield _hidden()
    elif rest:
        inside = _command(tuple(rest), depth + 1)
        yield from (msgspec.structs.replace(action, incidental=True) for action in inside)


def _is_in_container(name: str, words: Iterable[Word]) -> bool:
    return not programs.CONTAINERS.get(name, frozenset()).isdisjoint(words)


def _found(name: str, words: Sequence[Word], depth: int) -> Iterator[Action]:
    """What ``find`` does with what it finds."""
    for number, word in enumerate(words):
        if word in _FIND_RUNS:
            rest = words[number + 1 :]
            end = next((i for i, each in enumerate(rest) if each in {";", "+"}), len(rest))
            inner = tuple(None if each is None or "{}" in each else each for each in rest[:end])
            yield from _command((*inner, None), depth + 1)
        elif name != "find" and _is_option(word or "", ("-x", "-X", "--exec")):
            yield _hidden()
        elif word in {"-delete", "-fls", "-fprint", "-fprint0", "-fprintf"}:
            yield Action("write", (None,))
