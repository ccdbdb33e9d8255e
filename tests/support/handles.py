"""Handles on conversations, driven at random against what must be true of them.

`HandleMachine` is a hypothesis state machine over any client. A test makes a subclass that knows
how to get a client whose model answers each prompt with itself, and does not finish the answer to a
prompt that begins with `HOLD`.
"""

from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, precondition, rule

from signedin import Client, SessionBusyError
from signedin.client.blocking import Session, Turn

NUMBERS = count(1)

HOLD = "hold"
"""How the prompts of turns begin that go on until they are stopped."""


@dataclass
class Expectation:
    """What a conversation must know: the prompts that were answered."""

    session_id: str
    prompts: list[str] = field(default_factory=list)
    running: Turn | None = None


@dataclass
class Handle:
    """A session object and the conversation it is a handle on."""

    session: Session
    expected: Expectation


class HandleMachine(RuleBasedStateMachine):
    """Opens, runs, reads, forks, stops and closes, in any order."""

    handles = Bundle("handles")

    def __init__(self) -> None:
        super().__init__()
        self.client = self.new_client()
        self.all: list[Handle] = []

    def new_client(self) -> Client:
        """Gives the client of one run of the machine."""
        raise NotImplementedError

    def sent_with(self, prompt: str) -> str:
        """Returns all that the model was sent when it was asked this."""
        raise NotImplementedError

    @rule(target=handles)
    def begin(self) -> Handle:
        session = self.client.session()
        prompt = self.prompt()
        assert session.run(prompt).text == prompt
        assert session.id is not None
        return self.known(session, Expectation(session.id, [prompt]), prompt)

    @rule(target=handles, handle=handles)
    def take_another(self, handle: Handle) -> Handle:
        return self.known(self.client.session(resume=handle.expected.session_id), handle.expected)

    @rule(handle=handles, once=st.booleans())
    def run(self, handle: Handle, once: bool) -> None:
        prompt = self.prompt()

        def run() -> str:
            if once:
                return self.client.run(prompt, resume=handle.expected.session_id).text
            return handle.session.run(prompt).text

        if handle.expected.running:
            with pytest.raises(SessionBusyError):
                run()
        else:
            assert run() == prompt
            handle.expected.prompts.append(prompt)
            self.check_known(handle.expected, prompt)

    @rule(handle=handles)
    def start(self, handle: Handle) -> None:
        turn = handle.session.stream(f"{HOLD} {self.prompt()}")
        if handle.expected.running:
            with pytest.raises(SessionBusyError):
                turn.result()
            return
        turn.__enter__()
        assert next(iter(turn)).kind == "session"
        handle.expected.running = turn

    @precondition(lambda self: any(handle.expected.running for handle in self.all))
    @rule(data=st.data(), interrupt=st.booleans())
    def stop(self, data: st.DataObject, interrupt: bool) -> None:
        busy = [handle.expected for handle in self.all if handle.expected.running]
        self.end(data.draw(st.sampled_from(busy)), interrupt=interrupt)

    @precondition(lambda self: self.client.capabilities.history)
    @rule(handle=handles)
    def read(self, handle: Handle) -> None:
        kept = [turn.prompt for turn in handle.session.history()]
        answered = [prompt for prompt in kept if not prompt.startswith(HOLD)]
        assert answered == handle.expected.prompts

    @precondition(lambda self: self.client.capabilities.fork)
    @rule(target=handles, handle=handles)
    def fork(self, handle: Handle) -> Handle:
        if handle.expected.running:
            with pytest.raises(SessionBusyError):
                handle.session.fork()
            return handle
        copy = handle.session.fork()
        prompt = self.prompt()
        assert copy.run(prompt).text == prompt
        assert copy.id not in {None, handle.expected.session_id}
        return self.known(
            copy, Expectation(str(copy.id), [*handle.expected.prompts, prompt]), prompt
        )

    @rule(handle=handles)
    def close(self, handle: Handle) -> None:
        if handle.expected.running:
            self.end(handle.expected, interrupt=False)
        handle.session.close()

    def teardown(self) -> None:
        for handle in self.all:
            if handle.expected.running:
                self.end(handle.expected, interrupt=False)
            handle.session.close()

    def end(self, expected: Expectation, *, interrupt: bool) -> None:
        turn, expected.running = expected.running, None
        assert turn is not None
        if interrupt:
            turn.interrupt()
            *_, done = turn
            assert (done.kind, done.reason) == ("done", "interrupted")
        turn.__exit__(None, None, None)

    def known(self, session: Session, expected: Expectation, prompt: str = "") -> Handle:
        self.all.append(Handle(session, expected))
        if prompt:
            self.check_known(expected, prompt)
        return self.all[-1]

    def check_known(self, expected: Expectation, prompt: str) -> None:
        """The model saw the whole conversation, and nothing of any other."""
        answered = {prompt for handle in self.all for prompt in handle.expected.prompts}
        sent = self.sent_with(prompt)
        assert {prompt for prompt in answered if prompt in sent} == set(expected.prompts)

    def prompt(self) -> str:
        # Never the same again: the model may hear late of a turn that an earlier run stopped.
        return f"prompt {next(NUMBERS):06}"
