#!/bin/sh
# The unit file, read by systemd itself: it has no key that systemd does not know where it stands,
# and no value that it can't take. Either is only a warning when a unit starts.
set -e
folder=$(mktemp -d "${TMPDIR:-/tmp}/florin-unit-XXXXXX")
trap 'rm -rf "$folder"' EXIT
# The program itself is not installed here.
sed 's|^ExecStart=/usr/sbin/florind |ExecStart=/bin/true |' \
    cluster-config/systemd/florind.service >"$folder/florind.service"
said=$(systemd-analyze verify --man=no "$folder/florind.service" 2>&1 | grep florind || true)
if [ -n "$said" ]; then
    echo "unit file: systemd says:"
    echo "$said"
    exit 1
fi
echo "unit file: systemd has nothing to say"
