# Sourced by scripts/test-slow, after debian.sh: a Redis server, beside the wheel's Valkey.
#
#   find_redis  prints the path of a Redis >= 7.0, or fails where there is none to be had
#
# Debian's redis-tools holds the server's program under another name, and starts no service.

find_redis() {
  local found=$PWD/.venv/redis-server
  if is_redis redis-server; then
    command -v redis-server
    return
  fi
  command -v redis-check-rdb >/dev/null || install_package redis-tools || return 1
  # The program does what it is called.
  ln -sf "$(command -v redis-check-rdb)" "$found" && is_redis "$found" && echo "$found"
}

is_redis() {
  "$1" --version 2>/dev/null | grep -qE '^Redis server v=([7-9]|[1-9][0-9])[.]'
}
