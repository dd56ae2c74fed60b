# fish completion for ipcfs; made by go test ./cmd/ipcfs -update
function __ipcfs_complete
    set -l found (ipcfs _complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    set -q found[1]; and printf '%s\n' $found; or __fish_complete_path (commandline -ct)
end
complete -c ipcfs -f -a '(__ipcfs_complete)'
