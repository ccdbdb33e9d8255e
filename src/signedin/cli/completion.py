"""``signedin completion``: what makes a shell complete the program's words."""

from __future__ import annotations

import click
from click.shell_completion import FishComplete, ZshComplete

from signedin.cli.output import write

PROGRAM = "signedin"
VARIABLE = "_SIGNEDIN_COMPLETE"
"""Set by the scripts when a shell asks; click's name for it."""

# Readline takes a colon for the end of a word: the pieces of "acp:opencode" are put together for
# the program, and what is on the line already is taken from its answers. Files are completed by
# bash itself, where the program has no answer.
_BASH = f"""\
_{PROGRAM}_completion() {{
    local IFS=$'\\n' word words=() answer
    for word in "${{COMP_WORDS[@]:0:COMP_CWORD+1}}"; do
        if (( ${{#words[@]}} )) && [[ $word == :* || ${{words[-1]}} == *: ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    word=${{words[-1]}}
    COMPREPLY=()
    for answer in $(env COMP_WORDS="${{words[*]}}" COMP_CWORD=$(( ${{#words[@]}} - 1 )) \\
        {VARIABLE}=bash_complete "$1" 2>/dev/null); do
        [[ $answer == plain,* ]] && answer=${{answer#plain,}} || continue
        COMPREPLY+=("${{answer#"${{word%"${{word##*:}}"}}"}}")
    done
}}

complete -o default -F _{PROGRAM}_completion {PROGRAM}
"""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
def completion(*, shell: str) -> None:
    """Print the completion script of a shell.

    Completed are commands, options, providers, transports, models, efforts, accounts and sessions.

    \b
    bash: echo 'eval "$(signedin completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(signedin completion zsh)"' >> ~/.zshrc
    fish: signedin completion fish > ~/.config/fish/completions/signedin.fish
    """
    if shell == "bash":
        write(_BASH)
        return
    kind = ZshComplete if shell == "zsh" else FishComplete
    script = kind(completion, {}, PROGRAM, VARIABLE).source()
    write(script.replace(f" {PROGRAM})", f" {PROGRAM} 2>/dev/null)"))  # no traceback in a prompt
