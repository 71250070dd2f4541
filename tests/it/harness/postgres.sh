# Runs a throwaway PostgreSQL cluster until standard input ends, which it does when the process that
# holds the other end is gone, however it went. $1 is the folder of PostgreSQL's binaries. Says
# `ready DIR` once the cluster listens on its socket in DIR, and nowhere else.
set -eu
trap '' INT TERM HUP # a terminal's ^C reaches this shell, too: it has to outlive the tests
bin=$1
dir=$(mktemp -d /tmp/gatewright-pg.XXXXXX)
chmod 711 "$dir"

# PostgreSQL refuses to run as root.
as_server() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all --no-new-privs \
      env -i PATH="$bin:/usr/bin:/bin" HOME=/tmp LC_ALL=C.UTF-8 TZ=UTC "$@"
  else
    "$@"
  fi
}
[ "$(id -u)" != 0 ] || chown postgres: "$dir"

end() {
  as_server "$bin/pg_ctl" -D "$dir/data" -m immediate -s stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap end EXIT

as_server "$bin/initdb" -D "$dir/data" -U app --auth=trust --no-sync --no-instructions \
  -E UTF8 --locale=C.UTF-8 >/dev/null
# What is lost in a crash is thrown away anyway.
as_server "$bin/pg_ctl" -D "$dir/data" -w -s -l "$dir/log" start -o "-k $dir \
  -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
  -c shared_buffers=32MB -c max_connections=400 -c wal_level=minimal -c max_wal_senders=0" || { cat "$dir/log" >&2; exit 1; }
echo "ready $dir"
cat >/dev/null
