package tests

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// TestPostgreSQL has a PostgreSQL server keep its socket and its lock file in the tree, as on tmpfs:
// the server starts and answers, a second one refuses to start because of the first one's lock file,
// and after a kill the next one starts in spite of what was left.
func TestPostgreSQL(t *testing.T) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	_, err := user.Lookup("postgres")
	root, _ := realRoot()
	if len(found) == 0 || err != nil || !root {
		t.Skip("this needs PostgreSQL as Debian has it (apt-get install postgresql), " +
			"and real root, who may become its user")
	}
	tr := mountTree(t)
	script := filepath.Join(tr.work, "postgres.sh")
	if err := os.WriteFile(script, []byte(postgresScript), 0644); err != nil {
		t.Fatal(err)
	}
	cmd := tr.command("bash", script, filepath.Dir(found[len(found)-1]))
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil || out.String() != postgresWant {
		t.Fatalf("%v\n%s\nwant:\n%s\nstderr:\n%s", err, &out, postgresWant, &log)
	}
}

// postgresScript takes the directory of PostgreSQL's programs.
const postgresScript = `
set -e
export PATH=$1:$PATH LC_ALL=C
dir=$PWD/mnt/sockets/pg
mkdir -m 0775 $dir
chown postgres $dir
as='setpriv --reuid postgres --regid postgres --init-groups'
for data in one two; do
	mkdir -m 0700 $data
	chown postgres $data
	$as initdb -D $PWD/$data -A trust --no-sync >&2
	printf "unix_socket_directories='%s'\nlisten_addresses=''\nfsync=off\n" $dir >>$data/postgresql.conf
done
start() { $as postgres -D $PWD/$1 & pid=$!; }
until_ready() {
	until $as pg_isready -q -h $dir; do kill -0 $pid; done
}
start one
until_ready
$as psql -h $dir -d postgres -Atc "select 'an answer'"
ls -A $dir
stat -c '%F %a %U %h' $dir/.s.PGSQL.5432.lock
[ $(head -n1 $dir/.s.PGSQL.5432.lock) = $pid ] && echo it holds the lock

# a second one over the same socket
! $as postgres -D $PWD/two 2>clash
grep -o 'lock file ".*" already exists' clash | sed "s|$dir/||"

# killed: all it had stays, and is nobody's
kill -KILL $pid
wait $pid || true
until ! $as pg_isready -q -h $dir; do :; done
ls -A $dir
# its children end by themselves, and the next one waits for none of theirs
first=$pid
until start one && { until_ready 2>/dev/null || ! wait $pid; } && kill -0 $pid 2>/dev/null; do :; done
$as psql -h $dir -d postgres -Atc "select 'another'"
[ $(head -n1 $dir/.s.PGSQL.5432.lock) = $pid ] && echo the next one holds it
kill -INT $pid
wait $pid
ls -A $dir
`

const postgresWant = `an answer
.s.PGSQL.5432
.s.PGSQL.5432.lock
regular file 600 postgres 1
it holds the lock
lock file ".s.PGSQL.5432.lock" already exists
.s.PGSQL.5432
.s.PGSQL.5432.lock
another
the next one holds it
`
