# bash completion for aftrun. Written by: aftrun completion bash

_aftrun() {
    local program="$1" answer="" line
    [[ $program == "~/"* ]] && program="$HOME/${program#??}"
    COMPREPLY=()
    {
        IFS= read -r answer
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done
    } < <("$program" __complete bash "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" "$COMP_WORDBREAKS" \
        </dev/null 2>/dev/null)

    # bash 3.2, as macOS has it, cannot change options here: it then offers files where there is nothing else.
    [[ $(type -t compopt) == builtin ]] || return 0
    case " $answer " in *" nospace "*) compopt -o nospace ;; esac
    case " $answer " in *" keep "*) compopt -o nosort 2>/dev/null ;; esac
    case " $answer " in *" paths "*) compopt -o filenames ;; esac
    case " $answer " in *" files "*) ;; *) compopt +o default +o bashdefault ;; esac
    return 0
}

complete -o default -o bashdefault -F _aftrun aftrun
