"""``signedin completion``: what makes a shell complete the program's words."""

from __future__ import annotations

import click

from signedin.cli.output import write

PROGRAM = "signedin"
VARIABLE = "_SIGNEDIN_COMPLETE"
"""Set by the scripts when a shell asks; its name, values and answers are click's."""

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

_ZSH = f"""\
#compdef {PROGRAM}

_{PROGRAM}_completion() {{
    local -a described plain
    local type value help
    for type value help in "${{(@f)$(env COMP_WORDS="${{words[*]}}" COMP_CWORD=$((CURRENT - 1)) \\
        {VARIABLE}=zsh_complete {PROGRAM} 2>/dev/null)}}"; do
        case $type:$help in
            plain:_) plain+=("$value") ;;
            plain:*) described+=("$value:$help") ;;
            file:*) _files ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
}}

compdef _{PROGRAM}_completion {PROGRAM}
"""

_FISH = f"""\
function _{PROGRAM}_completion
    for answer in (env COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) \\
            {VARIABLE}=fish_complete {PROGRAM} 2>/dev/null)
        set --local parts (string split --max 1 , $answer)
        switch $parts[1]
            case plain
                echo $parts[2]
            case file
                __fish_complete_path $parts[2]
        end
    end
end

complete --command {PROGRAM} --no-files --arguments "(_{PROGRAM}_completion)"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""What each shell is to read."""


@click.command()
@click.argument("shell", type=click.Choice(list(SCRIPTS)), help="The shell.")
def completion(*, shell: str) -> None:
    """Print the completion script of a shell.

    Completed are commands, options, files, providers, transports, models, efforts, accounts and
    sessions.

    \b
    bash: echo 'eval "$(signedin completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(signedin completion zsh)"' >> ~/.zshrc
    fish: signedin completion fish > ~/.config/fish/completions/signedin.fish
    """
    write(SCRIPTS[shell])
