"""The command `completion`: scripts with which a shell completes commands, options, files, and the names of agents that
a supervisor runs.
"""

import argparse
import sys

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.arguments import make_parser


def completion(options: argparse.Namespace) -> int:
    """Print the script for a shell."""
    write = {"bash": _bash, "fish": _fish, "zsh": _zsh}[options.shell]
    sys.stdout.write(write(_commands()))
    return exit_codes.DONE


Commands = dict[str, tuple[str, dict[str, str]]]
"""By command: its help, and the help of each of its options."""


_NAMES = "trio-supervisor status --names 2>/dev/null"
"""Asks the supervisor of the directory's file; says nothing where there is none."""


def _choices() -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    actions = make_parser()._actions
    return next(action for action in actions if isinstance(action, argparse._SubParsersAction))


def _naming() -> list[str]:
    """The commands that take names of agents that run."""
    return [
        name
        for name, parser in _choices().choices.items()
        if name != "run" and any(action.dest in ("agent", "agents") for action in parser._actions)
    ]


def _commands() -> Commands:
    """Read off the parser, so that nothing can be forgotten."""
    choices = _choices()
    helps = {choice.dest: choice.help or "" for choice in choices._choices_actions}
    return {
        name: (
            helps.get(name, ""),
            {
                word: action.help or ""
                for action in parser._actions
                for word in action.option_strings
                if word[:2] == "--"
            },
        )
        for name, parser in choices.choices.items()
    }


def _bash(commands: Commands) -> str:
    cases = "".join(f"    {name}) words='{' '.join(options)}' ;;\n" for name, (_, options) in commands.items())
    return f"""# bash completion for trio-supervisor; load it with: source <(trio-supervisor completion bash)
_trio_supervisor() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='{" ".join(commands)} --help --version'
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}  esac
  if [ "${{COMP_WORDS[1]}}" = completion ]; then
    words='bash fish zsh'
  fi
  case ${{COMP_WORDS[1]}} in
    {"|".join(_naming())})
      if [[ $word != -* && ${{COMP_WORDS[COMP_CWORD-1]}} != --* ]]; then
        COMPREPLY=($(compgen -W "$({_NAMES})" -- "$word"))
        return
      fi ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) [ "${{COMP_WORDS[1]}}" = completion ] && COMPREPLY=($(compgen -W "$words" -- "$word")) ||
       COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _trio_supervisor trio-supervisor
"""


def _fish(commands: Commands) -> str:
    lines = ["# fish completion for trio-supervisor; load it with: trio-supervisor completion fish | source"]
    for name, (help_text, options) in commands.items():
        lines.append(f"complete -c trio-supervisor -n __fish_use_subcommand -f -a {name} -d {_quoted(help_text)}")
        lines += [
            f"complete -c trio-supervisor -n '__fish_seen_subcommand_from {name}' -l {option[2:]} -d {_quoted(text)}"
            for option, text in options.items()
        ]
    lines.append("complete -c trio-supervisor -n '__fish_seen_subcommand_from completion' -f -a 'bash fish zsh'")
    seen = f"__fish_seen_subcommand_from {' '.join(_naming())}"
    lines.append(f"complete -c trio-supervisor -n '{seen}' -f -a '({_NAMES})'")
    return "\n".join(lines) + "\n"


def _zsh(commands: Commands) -> str:
    described = "\n".join(f"    {_quoted(f'{name}:{help_text}')}" for name, (help_text, _) in commands.items())
    cases = "".join(
        f"    {name}) options=({' '.join(_quoted(f'{option}[{text}]') for option, text in options.items())}) ;;\n"
        for name, (_, options) in commands.items()
    )
    return f"""#compdef trio-supervisor
# zsh completion for trio-supervisor; load it with: source <(trio-supervisor completion zsh)
_trio_supervisor() {{
  local -a commands options
  commands=(
{described}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
{cases}  esac
  if [[ $words[2] = completion ]]; then
    _values shell bash fish zsh
  elif [[ " {" ".join(_naming())} " = *" $words[2] "* ]]; then
    _arguments $options '*:agent:($({_NAMES}))'
  else
    _arguments $options '*:file:_files'
  fi
}}
compdef _trio_supervisor trio-supervisor
"""


def _quoted(text: str) -> str:
    """As one word for a shell, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"
