#!/bin/bash
# Builds the Debian package from a copy of what git knows, so that the work tree stays as it is, and
# lets lintian look at it.
#
#   cluster-config/deb.sh FOLDER      the package ends up there
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?usage: cluster-config/deb.sh FOLDER}
rm -rf "$folder"
mkdir -p "$folder/source"
if git rev-parse -q --git-dir >/dev/null 2>&1; then
    git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$folder/source"
else
    tar -c --exclude="./$folder" --exclude=./build --exclude=./run . | tar -x -C "$folder/source"
fi
(cd "$folder/source" && dpkg-buildpackage -b -us -uc) >"$folder/build.log" 2>&1 || {
    tail -n 30 "$folder/build.log"
    echo "deb: the build failed; all of its output is in $folder/build.log" >&2
    exit 1
}
rm -rf "$folder/source"
lintian --fail-on error,warning "$folder"/florin_*.changes
echo "deb: lintian has nothing to say"
ls -l "$folder"/florin_*.deb
