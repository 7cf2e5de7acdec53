#!/usr/bin/env bash
# Install the named Debian packages if they are missing, or print the command that does.
#   scripts/debian.sh PROGRAM…              packages that contain a program of the same name
#   scripts/debian.sh --packages PACKAGE…   packages without such a program
set -eu
missing=()
if [ "$1" = --packages ]; then
  shift
  missing=("$@")
else
  for package in "$@"; do command -v "$package" >/dev/null || missing+=("$package"); done
fi
[ ${#missing[@]} -eq 0 ] && exit 0
root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null && root=(sudo -n) || root=(false)
fi
if command -v apt-get >/dev/null && [ "${root[*]:-}" != false ]; then
  echo "Installing Debian packages: ${missing[*]}"
  "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "These Debian packages are missing and cannot be installed from here: ${missing[*]}" >&2
echo "Install them: sudo apt-get install ${missing[*]}" >&2
exit 1
