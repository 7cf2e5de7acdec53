#!/usr/bin/env bash
# Install the named Debian packages if they are missing, or print the command that does.
#   scripts/debian.sh PROGRAM…              packages that contain a program of the same name
#   scripts/debian.sh --packages PACKAGE…   packages without such a program
#   scripts/debian.sh --optional PROGRAM…   programs without which some tests are skipped
#   scripts/debian.sh --optional-packages PACKAGE…   the same, for packages without such a program
#   scripts/debian.sh --unpack FOLDER PACKAGE…
#       Unpack packages into a folder, for tests that are skipped otherwise. Nothing is installed, so
#       that no service starts on this machine.
set -eu
root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null && root=(sudo -n) || root=(false)
fi

update() {
  command -v apt-get >/dev/null && [ "${root[*]:-}" != false ] && "${root[@]}" apt-get update -qq
}

unpack() {
  folder=$1 && shift
  echo "Unpacking Debian packages for tests: $*"
  mkdir -p "$folder/downloaded" && cd "$folder/downloaded"
  download=(apt-get download -qq -o APT::Sandbox::User=root "$@")
  if ! command -v apt-get >/dev/null || ! { "${download[@]}" || { update && "${download[@]}"; }; } 2>/dev/null; then
    echo "They cannot be downloaded here, so the tests that run them are skipped." >&2
    return
  fi
  for file in *.deb; do dpkg-deb -x "$file" ..; done
}

if [ "$1" = --unpack ]; then
  shift && unpack "$@"
  exit 0
fi
required=1
if [ "$1" = --optional ]; then
  required=0 && shift
fi
missing=()
if [ "$1" = --optional-packages ]; then
  required=0 && shift && set -- --packages "$@"
fi
if [ "$1" = --packages ]; then
  shift
  missing=("$@")
else
  for package in "$@"; do command -v "$package" >/dev/null || missing+=("$package"); done
fi
[ ${#missing[@]} -eq 0 ] && exit 0
if command -v apt-get >/dev/null && [ "${root[*]:-}" != false ]; then
  echo "Installing Debian packages: ${missing[*]}"
  update && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
if [ $required -eq 0 ]; then
  echo "These Debian packages cannot be installed from here, so some tests are skipped: ${missing[*]}" >&2
  exit 0
fi
echo "These Debian packages are missing and cannot be installed from here: ${missing[*]}" >&2
echo "Install them: sudo apt-get install ${missing[*]}" >&2
exit 1
