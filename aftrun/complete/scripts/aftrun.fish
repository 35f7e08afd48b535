# fish completion for aftrun. Written by: aftrun completion fish

function __aftrun_complete
    # fish shows completions no word behind the cursor.
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l before $words[2..-1]
    set -l lines (command $program __complete fish (count $before) $before (commandline -ct) </dev/null 2>/dev/null)
    for line in $lines[2..-1]
        echo $line
    end
end

complete -c aftrun -e
complete -c aftrun -f -k -a '(__aftrun_complete)'
