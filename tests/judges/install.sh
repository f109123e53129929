#!/usr/bin/env bash
# Installs the outside judges of the tests, once, and prints the folder they are in.
#
#   tests/judges/install.sh [FOLDER]      FOLDER defaults to <target folder>/judges
#
# Quick when everything is there already. Several at once are fine: the first installs, the others
# wait. Needs npm, python3 with venv, flock and a network, the first time only.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-${CARGO_TARGET_DIR:-$here/../../target}/judges}

need() {
  command -v "$1" >/dev/null && return
  printf 'tests/judges: %s is not installed. %s\n' "$1" "$2" >&2
  exit 1
}

# A stamp is written last, so that an interrupted installation counts as none.
stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
is_stamped() { [ -f "$1/.stamp" ] && [ "$(cat "$1/.stamp")" = "$2" ]; }

install_npm() {
  local stamp
  stamp=$(stamp_of "$here/package.json" "$here/package-lock.json")
  is_stamped "$folder/npm" "$stamp" && return
  need npm "Install Node.js 20 or later."
  rm -rf "$folder/npm" && mkdir -p "$folder/npm"
  cp "$here/package.json" "$here/package-lock.json" "$folder/npm/"
  # The judges want a newer Node than npm may run on; they are run with the one installed here.
  (cd "$folder/npm" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  printf '%s' "$stamp" >"$folder/npm/.stamp"
}

install_py() {
  local stamp
  stamp=$(stamp_of "$here/requirements.txt")
  is_stamped "$folder/py" "$stamp" && return
  need python3 "Install Python 3.10 or later, with venv."
  rm -rf "$folder/py"
  python3 -m venv "$folder/py" >&2
  "$folder/py/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    --requirement "$here/requirements.txt" >&2
  printf '%s' "$stamp" >"$folder/py/.stamp"
}

need flock "It is part of util-linux."
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
exec 9>"$folder/.lock"
flock 9
install_npm
install_py
printf '%s\n' "$folder"
