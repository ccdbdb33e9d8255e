"""``signedin completion``: what makes a shell complete the program's words."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from signedin.cli.output import write

PROGRAM = "signedin"
VARIABLE = "_SIGNEDIN_COMPLETE"
"""Set by the scripts when a shell asks; typer's name for it."""

# Readline takes a colon for the end of a word: the pieces of "acp:opencode" are put together for
# the program, and what is on the line already is taken from its answers.
_BASH = f"""\
_{PROGRAM}_completion() {{
    local IFS=$'\\n' word words=()
    for word in "${{COMP_WORDS[@]:0:COMP_CWORD+1}}"; do
        if (( ${{#words[@]}} )) && [[ $word == :* || ${{words[-1]}} == *: ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    COMPREPLY=( $(env COMP_WORDS="${{words[*]}}" COMP_CWORD=$(( ${{#words[@]}} - 1 )) \\
        {VARIABLE}=complete_bash "$1" 2>/dev/null) )
    word=${{words[-1]}}
    COMPREPLY=("${{COMPREPLY[@]#"${{word%"${{word##*:}}"}}"}}")
}}

complete -o default -F _{PROGRAM}_completion {PROGRAM}
"""

_ZSH = f"""\
#compdef {PROGRAM}

_{PROGRAM}_completion() {{
    eval "$(env _TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {VARIABLE}=complete_zsh \\
        {PROGRAM} 2>/dev/null)"
}}

compdef _{PROGRAM}_completion {PROGRAM}
"""

_FISH = f"""\
function _{PROGRAM}_completion
    env _TYPER_COMPLETE_ARGS=(commandline -cp) _TYPER_COMPLETE_FISH_ACTION=$argv[1] \\
        {VARIABLE}=complete_fish {PROGRAM} 2>/dev/null
end

complete --command {PROGRAM} --no-files --condition "_{PROGRAM}_completion is-args" \\
    --arguments "(_{PROGRAM}_completion get-args)"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""What each shell is to read; the names of the variables are typer's."""


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    Completed are commands, options, providers, transports, models, efforts, accounts and sessions.

    \b
    bash: echo 'eval "$(signedin completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(signedin completion zsh)"' >> ~/.zshrc
    fish: signedin completion fish > ~/.config/fish/completions/signedin.fish
    """
    write(SCRIPTS[shell])
