# bash completion for ipcfs; made by go test -update ./cmd/ipcfs
_ipcfs() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(ipcfs _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
    [[ ${COMPREPLY[0]} == */ ]] && compopt -o nospace
}
complete -o default -F _ipcfs ipcfs
