"""The command `completion`: scripts with which a shell completes commands, options and their values, files, and the
names of agents: those that run, or those of the file.
"""

import argparse
import sys
from collections.abc import Iterable

from attrs import frozen

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.arguments import make_parser


def completion(options: argparse.Namespace) -> int:
    """Print the script for a shell."""
    write = {"bash": _bash, "fish": _fish, "zsh": _zsh}[options.shell]
    sys.stdout.write(write(_commands()))
    return exit_codes.DONE


@frozen
class _Option:
    word: str
    about: str
    valued: bool
    choices: tuple[str, ...]


@frozen
class _Command:
    name: str
    about: str
    options: tuple[_Option, ...]
    names: bool
    """Its words are names of agents."""
    file: bool
    """Its first word is a file, and those after it are agents of that."""


_PLACE = ("--file", "--state-dir", "--socket")
"""The options that say which supervisor is meant."""


def _commands() -> tuple[_Command, ...]:
    """Read off the parser, so that nothing can be forgotten; without those that are for scripts only."""
    actions = make_parser()._actions
    choices = next(action for action in actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in choices._choices_actions}
    return tuple(_command(name, helps[name], choices.choices[name]) for name in choices.choices if name in helps)


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> _Command:
    words = {action.dest for action in parser._actions if not action.option_strings}
    options = tuple(
        _Option(word, action.help or "", action.nargs != 0, tuple(map(str, action.choices or ())))
        for action in parser._actions
        for word in action.option_strings
        if word[:2] == "--"
    )
    return _Command(name, about, options, bool({"agent", "agents"} & words), bool({"file", "written"} & words))


def _valued(commands: Iterable[_Command]) -> list[str]:
    return sorted({option.word for one in commands for option in one.options if option.valued})


def _chosen(commands: Iterable[_Command]) -> dict[str, tuple[str, ...]]:
    return {option.word: option.choices for one in commands for option in one.options if option.choices}


def _bash(commands: tuple[_Command, ...]) -> str:
    cases = "".join(
        f"    {one.name}) words='{' '.join(option.word for option in one.options)}' ;;\n" for one in commands
    )
    values = "".join(f"    {word}) words='{' '.join(choices)}' ;;\n" for word, choices in _chosen(commands).items())
    naming = "|".join(one.name for one in commands if one.names and not one.file)
    of_file = "|".join(one.name for one in commands if one.names and one.file)
    return f"""# bash completion for trio-supervisor; load it with: source <(trio-supervisor completion bash)
_trio_supervisor() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}}
  local words= file= count=0 number
  local -a place=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(one.name for one in commands)} --help --version' -- "$word"))
    return
  fi
  for ((number = 2; number < COMP_CWORD; number++)); do
    case ${{COMP_WORDS[number]}} in
      {"|".join(_PLACE)}) place+=("${{COMP_WORDS[number]}}" "${{COMP_WORDS[++number]}}") ;;
      {"|".join(_valued(commands))}) ((number++)) ;;
      -*) ;;
      *) ((count++ == 0)) && file=${{COMP_WORDS[number]}} ;;
    esac
  done
  case $before in
{values}    {"|".join(_valued(commands))}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    return
  fi
  case $command in
{cases}  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")); return ;;
  esac
  words=
  case $command in
    completion) words='bash fish zsh' ;;
    {naming}) words=$(trio-supervisor names "${{place[@]}}" 2>/dev/null) ;;
    {of_file}) [ "$count" -gt 0 ] && words=$(trio-supervisor names --of-file --file "$file" 2>/dev/null) ;;
  esac
  case $command in
    {naming}|completion) compopt +o filenames 2>/dev/null; COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) [ "$count" -gt 0 ] && COMPREPLY=($(compgen -W "$words" -- "$word")) || COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _trio_supervisor trio-supervisor
"""


def _fish(commands: tuple[_Command, ...]) -> str:
    valued = " ".join(_valued(commands))
    lines = [
        f"""# fish completion for trio-supervisor; load it with: trio-supervisor completion fish | source
function __trio_supervisor_names
    set -l words (commandline -opc)
    set -l place
    set -l files
    set -l number 3
    while test $number -le (count $words)
        set -l word $words[$number]
        if contains -- $word {" ".join(_PLACE)}
            set number (math $number + 1)
            set -a place $word $words[$number]
        else if contains -- $word {valued}
            set number (math $number + 1)
        else if not string match -q -- '-*' $word
            set -a files $word
        end
        set number (math $number + 1)
    end
    if contains -- $words[2] {" ".join(one.name for one in commands if one.names and one.file)}
        test (count $files) -gt 0; and trio-supervisor names --of-file --file $files[1] 2>/dev/null
    else
        trio-supervisor names $place 2>/dev/null
    end
end"""
    ]
    for one in commands:
        seen = f"'__fish_seen_subcommand_from {one.name}'"
        lines.append(f"complete -c trio-supervisor -n __fish_use_subcommand -f -a {one.name} -d {_quoted(one.about)}")
        for option in one.options:
            takes = f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else " -r" if option.valued else ""
            lines.append(
                f"complete -c trio-supervisor -n {seen} -l {option.word[2:]}{takes} -d {_quoted(option.about)}"
            )
        if one.names:
            files = "" if one.file else " -f"
            lines.append(f"complete -c trio-supervisor -n {seen}{files} -a '(__trio_supervisor_names)'")
    lines.append("complete -c trio-supervisor -n '__fish_seen_subcommand_from completion' -f -a 'bash fish zsh'")
    return "\n".join(lines) + "\n"


def _zsh(commands: tuple[_Command, ...]) -> str:
    described = "\n".join(f"    {_quoted(f'{one.name}:{one.about}')}" for one in commands)
    cases = "".join(f"    {one.name}) options=({' '.join(map(_zsh_option, one.options))}) ;;\n" for one in commands)
    naming = "|".join(one.name for one in commands if one.names and not one.file)
    of_file = "|".join(one.name for one in commands if one.names and one.file)
    return f"""#compdef trio-supervisor
# zsh completion for trio-supervisor; load it with: source <(trio-supervisor completion zsh)
_trio_supervisor_names() {{
  local -a place names
  local number
  for ((number = 3; number < CURRENT; number++)); do
    case $words[number] in
      {"|".join(_PLACE)}) place+=($words[number] $words[number+1]) ;;
    esac
  done
  names=(${{(f)"$(trio-supervisor names $place 2>/dev/null)"}})
  compadd -a names
}}
_trio_supervisor_names_of_file() {{
  local -a names
  names=(${{(f)"$(trio-supervisor names --of-file --file $line[1] 2>/dev/null)"}})
  compadd -a names
}}
_trio_supervisor() {{
  local -a commands options
  local curcontext=$curcontext state line
  commands=(
{described}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  case $command in
{cases}  esac
  case $command in
    completion) _values shell bash fish zsh ;;
    {naming}) _arguments $options '1:command:' '*:agent:_trio_supervisor_names' ;;
    {of_file})
      words=("${{words[@]:1}}"); ((CURRENT--))
      _arguments $options '1:file:_files' '*:agent:_trio_supervisor_names_of_file' ;;
    *) _arguments $options '*:file:_files' ;;
  esac
}}
compdef _trio_supervisor trio-supervisor
"""


def _zsh_option(option: _Option) -> str:
    about = option.about.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = f":value:({' '.join(option.choices)})" if option.choices else ":value:_files" if option.valued else ""
    return _quoted(f"{option.word}[{about}]{value}")


def _quoted(text: str) -> str:
    """As one word for a shell, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"
