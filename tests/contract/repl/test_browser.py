"""The page about a conversation, in a real browser."""

from pathlib import Path

from signedin import CommandEvent, DoneEvent, FileChange, FileChangeEvent, MessageEvent
from signedin.cli.page.document import write_page
from signedin.cli.page.record import Conversation, Exchange
from support.browser import render

SCRIPT = "<script>document.title = 'taken over'</script>"


def test_what_an_agent_writes_stays_text(tmp_path: Path):
    events = (
        MessageEvent(
            item_id="m",
            text=f"{SCRIPT} [go](javascript:alert(1)) ![x](http://127.0.0.1:1/x.png)\n\n"
            f"```html\n{SCRIPT}\n```\n",
        ),
        CommandEvent(
            item_id="c", command=SCRIPT, status="completed", output=f"</pre>{SCRIPT}", exit_code=0
        ),
        FileChangeEvent(
            item_id="f", changes=(FileChange(SCRIPT, "add", SCRIPT),), status="completed"
        ),
        DoneEvent(reason="completed"),
    )
    exchange = Exchange(prompt=f"Hello {SCRIPT}", events=events)
    page = tmp_path / "page.html"
    write_page(Conversation(exchanges=(exchange,)), page)
    rendered = render(page, tmp_path / "profile")
    assert rendered.console == []
    assert "<script" not in rendered.dom
    escaped = SCRIPT.replace("<", "&lt;").replace(">", "&gt;")
    assert f"<title>Hello {escaped}</title>" in rendered.dom
    assert f'<pre dir="ltr">&lt;/pre&gt;{escaped}</pre>' in rendered.dom


def test_a_script_that_got_in_would_not_run(tmp_path: Path):
    page = tmp_path / "page.html"
    write_page(Conversation(exchanges=(Exchange(prompt="Hello"),)), page)
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("</main>", f"{SCRIPT}<img src=x></main>"))
    rendered = render(broken, tmp_path / "profile")
    assert "<title>Hello</title>" in rendered.dom
    assert len(rendered.console) == 2
    assert all("Content Security Policy" in line for line in rendered.console)
