# bash completion for ipcfs; made by go test ./cmd/ipcfs -update
_ipcfs() {
    local IFS=$'\n'
    local found=$(ipcfs _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
    [[ ${COMPREPLY[0]} == */ ]] && compopt -o nospace
}
complete -o default -F _ipcfs ipcfs
