# Sourced by scripts/check, after debian.sh: luacheck, from Debian's package if it is missing.

ensure_luacheck() {
  if command -v luacheck >/dev/null; then
    return
  fi
  install_package lua-check || true
  if ! command -v luacheck >/dev/null; then
    echo "luacheck is missing; install it: apt-get install lua-check, brew install luacheck," \
      "or luarocks install luacheck" >&2
    return 1
  fi
}
