#!/usr/bin/env bash
# Has the Debian packages that the tests need, or says exactly what to install. Arguments: packages whose command has their name.
set -eu
missing=()
for package in "$@"; do command -v "$package" >/dev/null || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0
root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null && root=(sudo -n) || root=(false)
fi
if command -v apt-get >/dev/null && [ "${root[*]:-}" != false ]; then
  echo "Installing Debian packages for the tests: ${missing[*]}"
  "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "The tests need these programs: ${missing[*]}" >&2
echo "On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
exit 1
