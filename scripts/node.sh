#!/usr/bin/env bash
# Put `node` and `npm` into the folder $1: the installed ones if they are Node 22 or newer,
# otherwise those of a pinned wheel, installed with the Python in $2.
set -eu
folder=$1 bin=$2
rm -rf "$folder" && mkdir -p "$folder"
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
if [ "${major:-0}" -ge 22 ] && command -v npm >/dev/null; then
  for tool in node npm npx; do ln -s "$(command -v $tool)" "$folder/$tool"; done
else
  echo "Installing Node.js (the machine has ${major:+version }${major:-none}, the page is built with 22 or newer)"
  "$bin/python" -m pip --disable-pip-version-check -qq install --require-hashes -r locks/node.txt
  for tool in node npm npx; do ln -s "$PWD/$bin/$tool" "$folder/$tool"; done
fi
