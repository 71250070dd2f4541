# Runs OpenBao in dev mode until standard input ends, which it does when the process that holds the
# other end is gone, however it went. $1 is the program, $2 where it listens; more is for it. Says
# `pid N`, then what OpenBao says.
set -eu
trap '' INT TERM HUP # a terminal's ^C reaches this shell, too: it has to outlive the tests
program=$1 address=$2
shift 2
# One of its sockets is not left over where another test looks for its own.
env -i HOME=/nonexistent "$program" server -dev -dev-root-token-id=root -dev-no-store-token \
  -dev-listen-address="$address" "$@" 2>&1 </dev/null &
pid=$!
trap 'kill -KILL "$pid" 2>/dev/null || true' EXIT
echo "pid $pid"
cat >/dev/null
