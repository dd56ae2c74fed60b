# fish completion for ipcfs; made by go test ./cmd/ipcfs -update
complete -c ipcfs -a '(ipcfs _complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
