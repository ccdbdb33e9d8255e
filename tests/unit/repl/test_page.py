"""The page about a conversation: what it shows, and what it does not let through."""

import base64
import hashlib
import re
import stat
from html.parser import HTMLParser
from math import inf, nan

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from signedin import (
    ApprovalEvent,
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    FileChange,
    FileChangeEvent,
    InvalidOptionError,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PastTurn,
    PlanEvent,
    PlanStep,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    ReasoningEvent,
    RunResult,
    SessionEvent,
    Subagent,
    ToolEvent,
    Usage,
    UsageEvent,
)
from signedin.cli.page.document import render_page, write_page
from signedin.cli.page.record import (
    Conversation,
    Exchange,
    from_events,
    from_history,
    from_json,
    from_result,
)

STARTED = 1_700_000_000.0
SESSION = SessionEvent(session_id="s-1", model="gpt-5.5", cwd="/work", timestamp=STARTED)
DONE = DoneEvent(reason="completed", timestamp=STARTED + 4)
DIFF = "@@ -3,2 +3,2 @@\n same\n-old\n+new\n"
VOID = {"meta", "br", "hr"}
UNCLOSED = {"li", "p"}


class Page(HTMLParser):
    """A page as a browser reads it: its elements with their attributes, and the text in each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        return " ".join(" ".join(text for tag, text in self.texts if tag != "style").split())

    def inside(self, tag: str) -> str:
        return "".join(text for inside, text in self.texts if inside == tag)


def page_of(*events, **facts) -> Page:
    exchange = Exchange(events=(SESSION, *events, DONE), started_at=STARTED, **facts)
    return Page(render_page(Conversation(exchanges=(exchange,), cwd="/work")))


def command(**facts) -> CommandEvent:
    return CommandEvent(**{"item_id": "c", "command": "ls", "status": "completed", **facts})


class TestShown:
    def test_what_is_known_of_the_whole(self):
        events = (
            command(exit_code=0),
            command(item_id="d", exit_code=2),
            FileChangeEvent(
                item_id="f",
                changes=(FileChange("/work/a.py", "update", DIFF),),
                status="completed",
            ),
        )
        usage = Usage(input_tokens=1200, output_tokens=34, reported_usd=0.5)
        one = Exchange(
            prompt="Fix it", events=events, started_at=STARTED, elapsed=61.2, usage=usage
        )
        two = Exchange(prompt="Thanks", started_at=STARTED + 90, elapsed=4.0)
        page = Page(
            render_page(
                Conversation(
                    exchanges=(one, two),
                    provider="codex",
                    model="gpt-5.5",
                    cwd="/work",
                    session_id="s-1",
                )
            )
        )
        assert page.inside("title") == "Fix it"
        assert page.text.startswith(
            "Fix it codex gpt-5.5 Fix it Started 2023-11-14 22:13:20 UTC Took 1 min 5 s Turns 2 "
            "Commands 2 1 failed Files changed 1 +1 \N{MINUS SIGN}1 Tokens 1,200 in, 34 out "
            "Cost $0.5000 Folder /work Session s-1 Fix it"
        )

    def test_subagents_are_named_where_they_speak_and_summed_up(self):
        one = Subagent(id="1", name="Explore", task="Look.\nEverywhere.")
        two = Subagent(id="2")
        ended = msgspec.structs.replace(one, status="completed", usage=Usage(1200, 0, 0, 34))
        page = page_of(
            MessageEvent(item_id="a", text="First.", agent=one),
            MessageEvent(item_id="b", text="Second.", agent=one),
            MessageEvent(item_id="c", text="Other.", agent=two),
            agents=(ended, msgspec.structs.replace(two, status="failed")),
        )
        assert "Explore Look. First. Second. subagent Other. Subagents 2" in page.text
        assert (
            "Subagents 2 completed Explore Look. 1,200 tokens in, 34 out failed subagent completed"
        ) in page.text

    @pytest.mark.parametrize(
        ("started_at", "elapsed", "shown"),
        [
            (1.7e15, 4.0, "Started unknown time Took 4.0 s"),
            (-1e300, inf, "Started unknown time Took unknown time"),
            (nan, nan, "Started unknown time Took unknown time"),
        ],
    )
    def test_a_number_that_is_not_a_time(self, started_at: float, elapsed: float, shown: str):
        asked = Exchange(prompt="Fix it", started_at=started_at, elapsed=elapsed)
        page = Page(render_page(Conversation(exchanges=(asked,), provider="codex")))
        assert page.text.startswith(f"Fix it codex Fix it {shown}")

    @pytest.mark.parametrize(
        ("event", "shown"),
        [
            (MessageEvent(item_id="m", text="It **works**"), "It works"),
            (
                MessageEvent(item_id="m", text="Half", complete=False),
                "Half The message was cut off here.",
            ),
            (ReasoningEvent(item_id="r", text="Hm.", timestamp=STARTED + 2), "Thought Hm."),
            (
                PlanEvent(item_id="p", steps=(PlanStep("One", "completed"), PlanStep("Two"))),
                "Plan 1 of 2 done ✓ One (done) · Two",
            ),
            (
                command(
                    command="/bin/bash -lc 'ls -l'", output="a\nb\n", exit_code=1, seconds=0.25
                ),
                "ls -l exit 1 0.25 s Output 2 lines a b",
            ),
            (command(status="declined"), "ls declined"),
            (
                FileChangeEvent(
                    item_id="f",
                    changes=(FileChange("/work/a.py", "update", DIFF, moved_to="/work/b.py"),),
                    status="failed",
                ),
                "a.py → b.py failed changed +1 \N{MINUS SIGN}1 @@ -3,2 +3,2 @@ same -old +new",
            ),
            (
                ToolEvent(
                    item_id="t",
                    name="add",
                    server="maths",
                    status="completed",
                    arguments={"a": 1},
                    result="2",
                ),
                'maths.add done Arguments {"a": 1} Result 2',
            ),
            (
                ToolEvent(item_id="t", name="add", status="failed", error="no such number"),
                "add failed no such number",
            ),
            (
                ApprovalEvent(item_id="c", subject="command", decision="deny", text="rm x"),
                "denied command rm x",
            ),
            (ErrorEvent(error="server", text="It broke."), "It broke."),
        ],
    )
    def test_each_kind(self, event, shown):
        assert f" {shown} completed" in page_of(event).text

    def test_times_are_told_where_they_differ(self):
        page = page_of(
            ReasoningEvent(item_id="r", text="Hm.", timestamp=STARTED + 2),
            ReasoningEvent(item_id="s", text="Oh.", timestamp=STARTED + 3.5),
        )
        assert "Thought 2.0 s Hm. Thought 3.5 s Oh." in page.text

    def test_what_is_told_twice_is_shown_once(self):
        page = page_of(
            command(status="started"),
            command(status="output", text="a"),
            command(output="a", exit_code=0),
            ErrorEvent(error="usage_limit", text="limit"),
            reason="failed",
            error="the limit is reached; wait",
        )
        assert page.text.count(" ls ") == 1
        assert page.text.count("limit") == 1

    def test_other_messages_are_counted_and_named(self):
        page = page_of(OtherEvent(name="thread/status/changed"))
        assert "1 other message of the provider thread/status/changed" in page.text

    def test_what_is_left_of_the_plan(self):
        limits = RateLimits({"primary": RateLimitWindow(33.6)})
        assert "34 % of primary limit" in page_of(RateLimitEvent(limits=limits)).text

    def test_long_output_is_folded_and_its_middle_left_out(self):
        page = page_of(command(output="\n".join(map(str, range(5000))), exit_code=0))
        assert "… 3001 lines …" in page.text
        assert ("details", {"class": "fold"}) in page.elements

    def test_a_line_without_end_is_cut(self):
        output = "x" * 2_000_000
        change = FileChange("/work/a.txt", "add", output)
        page = page_of(
            command(output=output, exit_code=0),
            FileChangeEvent(item_id="f", changes=(change,), status="completed"),
        )
        assert "… 1600000 characters …" in page.text
        assert "… the rest is left out …" in page.text
        assert len(page.text) < 900_000

    def test_lines_of_a_diff_have_their_numbers(self):
        change = FileChange("/work/a.py", "update", DIFF)
        page = page_of(FileChangeEvent(item_id="f", changes=(change,), status="completed"))
        lines = [attributes for tag, attributes in page.elements if "data-number" in attributes]
        assert [(line["class"], line["data-number"]) for line in lines] == [
            ("same", "3"),
            ("removed", "4"),
            ("added", "4"),
        ]

    def test_code_is_coloured(self):
        page = page_of(MessageEvent(item_id="m", text="```python\nreturn 1\n```"))
        assert ("span", {"class": "h-k"}) in page.elements


HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></code><script>x</script>",
    '"><img src=x onerror=alert(1)>',
    "<style>*{display:none}</style>",
    "<!--",
    "{{ 7 * 7 }}{% raw %}",
    "</title><script>alert(1)</script>",
]


class TestHostile:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_markup_stays_text_wherever_it_is(self, text):
        harmless = page_of_text("harmless")
        page = page_of_text(text)
        assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
        assert text in page.inside("pre")
        assert text in page.inside("h1")

    @settings(deadline=None, max_examples=30)
    @given(st.text())
    def test_no_text_is_an_element(self, text):
        allowed = {tag for tag, _ in page_of_text("harmless").elements}
        allowed |= {"ul", "ol", "li", "em", "strong", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}
        allowed |= {"blockquote", "a", "br", "s", "table", "span"}
        page = page_of_text(text)
        assert {tag for tag, _ in page.elements} <= allowed
        for _, attributes in page.elements:
            assert not {name for name in attributes if name.startswith("on")}

    @pytest.mark.parametrize(
        "address",
        [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "//x",
            "f.py",
        ],
    )
    def test_only_web_and_mail_addresses_are_links(self, address):
        page = page_of(MessageEvent(item_id="m", text=f"[here]({address})"))
        assert "a" not in [tag for tag, _ in page.elements]
        assert ("span", {"class": "address", "title": address}) in page.elements

    def test_a_link_tells_nothing(self):
        page = page_of(MessageEvent(item_id="m", text="[here](https://example.com/?a=1&b=2)"))
        assert (
            "a",
            {"href": "https://example.com/?a=1&b=2", "rel": "noreferrer noopener nofollow"},
        ) in page.elements

    def test_an_image_is_its_description(self):
        page = page_of(MessageEvent(item_id="m", text="![a cat](https://example.com/cat.png)"))
        assert "img" not in [tag for tag, _ in page.elements]
        assert " a cat completed" in page.text

    def test_a_secret_is_masked_before_words_are_marked(self):
        keys = [f"key = 'sk-ant-{letter * 20}'" for letter in "ab"]
        diff = f"@@ -1 +1 @@\n-{keys[0]}\n+{keys[1]}  # new\n"
        change = FileChange("a.py", "update", diff)
        page = page_of(FileChangeEvent(item_id="f", changes=(change,), status="completed"))
        assert "@@ -1 +1 @@ -key = '***' +key = '***' # new" in page.text
        assert [text for tag, text in page.texts if tag == "b"] == ["  # new"]

    def test_terminal_sequences_are_taken_out(self):
        page = page_of(command(output="\x1b[31mred\x1b[0m \x1b]0;title\x07\x00end", exit_code=0))
        assert r"red \x00end" in page.inside("pre")

    def test_changes_of_direction_are_shown(self):
        page = page_of(command(command="rm \u202etxt.cod\u202c", exit_code=0))
        assert r"rm \u202etxt.cod\u202c" in page.inside("code")

    def test_secrets_are_masked(self):
        secret = "sk-proj-abcdefghijklmnop1234"
        written = render_page(
            Conversation(
                exchanges=(
                    Exchange(
                        prompt=secret,
                        events=(
                            MessageEvent(item_id="m", text=secret),
                            command(command=secret, output=secret),
                        ),
                    ),
                )
            )
        )
        assert secret not in written

    def test_a_lone_surrogate_is_replaced(self):
        assert "a?b" in page_of(command(output="a\ud800b", exit_code=0)).inside("pre")

    def test_the_page_may_load_and_run_nothing(self):
        written = render_page(Conversation(exchanges=(Exchange(prompt="hi"),)))
        style = re.search(r"<style>(.*?)</style>", written, re.DOTALL)
        assert style
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policies = [
            attributes["content"]
            for tag, attributes in Page(written).elements
            if attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policies == [
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        ]
        assert not re.search(r"<script|<link|url\(|@import|\sstyle=", written)


def page_of_text(text: str) -> Page:
    """A page with a text in every place that a text can have."""
    diff = "".join(f"+{line}\n" for line in text.splitlines())
    return Page(
        render_page(
            Conversation(
                provider=text,
                model=text,
                cwd=text,
                session_id=text,
                exchanges=(
                    Exchange(
                        prompt=f"p {text}",
                        error=f"e {text}",
                        events=(
                            ReasoningEvent(item_id="r", text=f"r {text}"),
                            command(command=f"c {text}", output=f"o {text}"),
                            FileChangeEvent(
                                item_id="f",
                                changes=(FileChange(f"/{text}", "add", f"+d\n{diff}"),),
                                status="completed",
                            ),
                            ToolEvent(
                                item_id="t",
                                name=f"t {text}",
                                status="failed",
                                arguments=[text],
                                error=f"e {text}",
                            ),
                            ApprovalEvent(
                                item_id="c", subject=text, decision=text, text=f"a {text}"
                            ),
                        ),
                    ),
                ),
            )
        )
    )


class TestRead:
    def test_deltas_of_a_cut_stream_are_kept(self):
        events = [
            SESSION,
            MessageDeltaEvent(item_id="m", text="Half an "),
            MessageDeltaEvent(item_id="m", text="answer"),
        ]
        exchange = from_events(events).exchanges[0]
        assert exchange.reason == "interrupted"
        assert [event.text for event in exchange.events if isinstance(event, MessageEvent)] == [
            "Half an answer"
        ]

    def test_one_exchange_per_stream(self):
        stream = [SESSION, MessageEvent(item_id="m", text="Yes"), DONE]
        conversation = from_events([*stream, *stream])
        assert [exchange.elapsed for exchange in conversation.exchanges] == [4.0, 4.0]
        assert (conversation.session_id, conversation.model) == ("s-1", "gpt-5.5")

    def test_the_subagents_of_a_result_and_of_events(self):
        agent = Subagent(id="1", name="Explore", status="completed", text="Here.")
        said = MessageEvent(item_id="a", text="Here.", agent=agent)
        assert from_result(msgspec.structs.replace(result(), agents=(agent,))).exchanges[
            0
        ].agents == (agent,)
        assert from_events([SESSION, said, DONE]).exchanges[0].agents == (agent,)

    def test_a_result(self):
        conversation = from_result(result(), prompt="Why?", error=InvalidOptionError("because"))
        assert conversation.exchanges == (
            Exchange(
                prompt="Why?",
                events=(SESSION, DONE),
                reason="failed",
                started_at=STARTED,
                elapsed=2.5,
                error="because",
            ),
        )

    def test_a_history(self):
        usage = Usage(input_tokens=3)
        turn = PastTurn(
            id="1", prompt="Why?", text="", events=(UsageEvent(usage=usage),), reason="completed"
        )
        conversation = from_history([turn], provider="claude", session_id="s-2")
        assert (conversation.provider, conversation.session_id) == ("claude", "s-2")
        assert (conversation.exchanges[0].prompt, conversation.exchanges[0].usage) == (
            "Why?",
            usage,
        )

    def test_one_json_object(self):
        fields = msgspec.structs.asdict(result())
        failure = {"kind": "invalid_option", "message": "because"}
        line = msgspec.json.encode({**fields, "error": failure}).decode()
        assert from_json(line) == from_result(result(), error=InvalidOptionError("because"))

    def test_json_lines_with_and_without_their_result(self):
        lines = b"\n".join(map(msgspec.json.encode, [SESSION, DONE])).decode()
        end = '{"kind":"result","reason":"failed","elapsed":7,"provider":"codex","transport":"x"}'
        with_result = from_json(f"{lines}\n{end}\n\n")
        assert (with_result.provider, with_result.exchanges[0].elapsed) == ("codex", 7)
        without = from_json(lines)
        assert (without.provider, without.session_id) == ("", "s-1")
        assert without.exchanges[0].elapsed == 4.0

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_only_a_line_feed_ends_a_line(self, end):
        said = MessageEvent(item_id="m", text="a\u2028b\u2029c\x85d")
        lines = end.join(msgspec.json.encode(each).decode() for each in (SESSION, said, DONE))
        assert "a\u2028b\u2029c\x85d" in lines
        assert from_json(lines + end).exchanges[0].answer == said.text

    def test_unknown_kinds_pass_through(self):
        conversation = from_json('{"kind":"check","text":"fine"}')
        other = conversation.exchanges[0].events[0]
        assert isinstance(other, OtherEvent)
        assert (other.name, other.text) == ("check", "fine")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "there are no events"),
            ("{}\n", "line 1 is not output of"),
            ('{"kind":"done","reason":"completed"}\nno\n', "line 2 is not output of"),
            ("[1]", "line 1 is not output of"),
        ],
    )
    def test_what_is_no_run_is_refused(self, text, message):
        with pytest.raises(InvalidOptionError, match=message):
            from_json(text)


class TestWrite:
    def test_the_page_is_its_owners_and_replaces_what_was_there(self, tmp_path):
        path = tmp_path / "page.html"
        path.write_text("old")
        write_page([SESSION, MessageEvent(item_id="m", text="Yes"), DONE], path)
        assert "Yes" in Page(path.read_text()).text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == [path]

    def test_a_link_stays_a_link(self, tmp_path):
        link = tmp_path / "link.html"
        link.symlink_to(tmp_path / "page.html")
        write_page(result(), link)
        assert link.is_symlink()
        assert (tmp_path / "page.html").is_file()

    def test_a_target_that_cannot_be(self, tmp_path):
        with pytest.raises(InvalidOptionError, match="there is no folder"):
            write_page(result(), tmp_path / "none" / "page.html")
        with pytest.raises(InvalidOptionError, match="is not a file"):
            write_page(result(), tmp_path)


def result() -> RunResult[object]:
    return RunResult(
        provider="codex",
        transport="codex-app-server",
        session_id="s-1",
        turn_id=None,
        model="gpt-5.5",
        cwd="/work",
        text="",
        output=None,
        events=(SESSION, DONE),
        usage=None,
        reason="failed",
        elapsed=2.5,
    )
