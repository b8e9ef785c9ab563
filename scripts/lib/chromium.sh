# Sourced by scripts/test-slow, after debian.sh: Chromium and its driver, from Debian's packages.

ensure_chromium() {
  if command -v chromedriver >/dev/null && command -v chromium >/dev/null; then
    return
  fi
  { install_package chromium && install_package chromium-driver; } || true
  if ! command -v chromedriver >/dev/null || ! command -v chromium >/dev/null; then
    echo "chromium or chromedriver is missing; install both:" \
      "apt-get install chromium chromium-driver" >&2
    return 1
  fi
}
