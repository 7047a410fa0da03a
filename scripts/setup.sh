# Sourced by scripts/demo and scripts/test: makes sure that what they need from the system is there.
#
# Installs Debian or Ubuntu packages where apt and the rights to use it are there; otherwise says what is missing.

say() { printf '%s\n' "$*" >&2; }

# A header counts as present where the C compiler's usual folders hold it.
has_header() {
  local folder
  for folder in /usr/include /usr/include/*-linux-gnu /usr/local/include; do
    [ -e "$folder/$1" ] && return 0
  done
  return 1
}

ensure_system() {
  if ! command -v swift >/dev/null; then
    say "Swift 6.2 or later is missing: install it from https://www.swift.org/install and try again."
    exit 2
  fi
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  if [ -n "$version" ] && [ "$(printf '%s\n6.2\n' "$version" | sort -V | head -n 1)" != 6.2 ]; then
    say "Swift $version is too old, 6.2 or later is needed: install it from https://www.swift.org/install."
    exit 2
  fi
  local missing=()
  has_header cblas.h || missing+=(libopenblas-dev)
  has_header openssl/evp.h || missing+=(libssl-dev)
  has_header sqlite3.h || missing+=(libsqlite3-dev)
  command -v sqlite3 >/dev/null || missing+=(sqlite3)
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  command -v git >/dev/null || missing+=(git)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ ${#missing[@]} -eq 0 ] && return 0

  if ! command -v apt-get >/dev/null; then
    say "These packages of Debian are missing, and there is no apt-get here to install them: ${missing[*]}"
    say "Install OpenBLAS, OpenSSL and SQLite with their headers, the sqlite3 program, pkg-config and pip, and try again."
    exit 2
  fi
  if ! may_install; then
    say "Packages are missing, and only root may install them. Run this and try again:"
    say "  sudo apt-get install ${missing[*]}"
    exit 2
  fi
  install_packages "${missing[@]}"
}

# A browser for the page's tests, where it can be installed; those tests say themselves that they lack it.
ensure_chromium() {
  command -v chromium >/dev/null && return 0
  { command -v apt-get >/dev/null && may_install; } || return 0
  install_packages chromium || say "Chromium could not be installed."
}

may_install() { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
  say "Installing $* ..."
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}
