# bash completion for ipcfs; made by go test ./cmd/ipcfs -update
_ipcfs() {
    # not COMP_WORDS: bash cuts those at = and : too
    local words line=${COMP_LINE:0:COMP_POINT} apart=${COMP_WORDBREAKS//[!=:]/} kept=
    read -a words <<< "$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    local word=${words[${#words[@]}-1]} IFS=$'\n'
    local found=($(ipcfs _complete -- "${words[@]:1}" 2>/dev/null))
    found=("${found[@]%%$'\t'*}")
    [[ $apart ]] && kept=${word%"${word##*[$apart]}"}
    COMPREPLY=("${found[@]#"$kept"}")
    [[ ${COMPREPLY[0]} == *[/=,] ]] && compopt -o nospace
}
complete -o default -F _ipcfs ipcfs
