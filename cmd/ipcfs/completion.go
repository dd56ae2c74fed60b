package main

import (
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// completions are the scripts that shells load. They ask ipcfs what can stand at a
// place; it answers from its tables and the tree.
var completions = map[string]string{
	"bash": `# bash completion for ipcfs; made by go test ./cmd/ipcfs -update
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
`,
	"zsh": `#compdef ipcfs
# zsh completion for ipcfs; made by go test ./cmd/ipcfs -update
_ipcfs() {
    local -a found whole part
    found=(${(f)"$(ipcfs _complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    whole=(${found:#*[/=,](|$'\t'*)}) part=(${(M)found:#*[/=,](|$'\t'*)})
    local -a whole_shown=("${(@)whole/$'\t'/  -- }") part_shown=("${(@)part/$'\t'/  -- }")
    whole=("${(@)whole%%$'\t'*}") part=("${(@)part%%$'\t'*}")
    (( $#found )) || { _files; return }
    compadd -l -d whole_shown -a whole
    compadd -l -d part_shown -S '' -a part
}
if [[ $funcstack[1] == _ipcfs ]]; then _ipcfs "$@"; else compdef _ipcfs ipcfs; fi
`,
	"fish": `# fish completion for ipcfs; made by go test ./cmd/ipcfs -update
function __ipcfs_complete
    set -l found (ipcfs _complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    set -q found[1]; and printf '%s\n' $found; or __fish_complete_path (commandline -ct)
end
complete -c ipcfs -f -a '(__ipcfs_complete)'
`,
}

// completionCommand is `ipcfs completion SHELL`.
func completionCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		text := completions[strings.Join(args, " ")]
		if text == "" {
			return usagef("a shell is needed: bash, zsh or fish")
		}
		_, err := io.WriteString(out, text)
		return err
	}
}
