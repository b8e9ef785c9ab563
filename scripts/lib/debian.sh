# Sourced by scripts that need a system package: installs it where that is allowed.
#
#   install_package NAME  fails without a word where there is no apt-get, or no right to use it

install_package() {
  local sudo=() install
  if [ "$(id -u)" != 0 ]; then sudo=(sudo -n); fi
  if ! command -v apt-get >/dev/null || ! { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    return 1
  fi
  echo "installing $1" >&2
  install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q
    --no-install-recommends "$1")
  # A fresh image has no package lists, so a first failure is answered by fetching them.
  { "${install[@]}" 2>/dev/null || { "${sudo[@]}" apt-get update -q && "${install[@]}"; }; } >&2
}
