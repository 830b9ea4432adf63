#!/bin/bash
# Runs the commands of docs/install.md, in order and as they stand, against real nodes (and HAProxies).
#
#   tests/docs/run.sh FLORIND FLORINCTL
#
# A block fenced as ```sh run is run on "the operator's machine", ```sh run each on each of three
# "hosts", with N set. All of them are this machine: host N's /etc and /var/lib lie in a folder of its
# own, and 10.0.0.N and its 127.0.0.1 are 127.X.Y.N, which is loopback as well. What a test can't have
# is stood in for: scp copies, chown and runuser do nothing more, systemctl starts and stops the real
# florind and haproxy. Blocks that say haproxy are left out, and said so, where it is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD
florind=$(realpath "${1:?usage: run.sh FLORIND FLORINCTL}")
florinctl=$(realpath "${2:?usage: run.sh FLORIND FLORINCTL}")
guide=docs/install.md
work=$(mktemp -d "${TMPDIR:-/tmp}/florin-docs.XXXXXX")
net=127.$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2))
export work net florind

mkdir -p "$work/bin" "$work/operator"
ln -s "$florind" "$work/bin/florind"
ln -s "$florinctl" "$work/bin/florinctl"
for n in 1 2 3; do # as the packages leave them
    mkdir -p "$work/host$n/etc/florin" "$work/host$n/etc/haproxy" "$work/host$n/var/lib/florin"
    cp cluster-config/haproxy.cfg "$work/host$n/etc/florin/haproxy.cfg.example"
done

finish() {
    local rc=$?
    trap - EXIT
    for pid in "$work"/host?/*.pid; do
        [ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
    done
    for pid in "$work"/host?/*.pid; do
        [ ! -e "$pid" ] || while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.05; done
    done
    if [ "$rc" = 0 ]; then rm -rf "${work:?}"; else echo "left for a look: $work" >&2; fi
    exit "$rc"
}
trap finish EXIT

cat >"$work/bin/systemctl" <<'END'
#!/bin/bash
# systemctl VERB [--now] UNIT on host $N
set -eu
unit=${!#}
host=$work/host$N
if [ -e "$host/$unit.pid" ] && [ "$1" = restart ]; then
    pid=$(cat "$host/$unit.pid")
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
fi
if [ "$1" = reload ]; then
    kill -HUP "$(cat "$host/$unit.pid")"
    exit
fi
case $unit in
florind) setsid "$florind" --config "$host/etc/florin/florin.conf" >>"$host/florind.log" 2>&1 </dev/null & ;;
haproxy) # who may be nobody here, and has no syslog
    sed -i -e '/^ *\(user\|group\|log\) /d' -e '/option httplog/d' "$host/etc/haproxy/haproxy.cfg"
    setsid haproxy -db -f "$host/etc/haproxy/haproxy.cfg" >>"$host/haproxy.log" 2>&1 </dev/null & ;;
*) exit 5 ;;
esac
echo $! >"$host/$unit.pid"
END
cat >"$work/bin/scp" <<'END'
#!/bin/bash
# scp FILE... root@$net.N:FOLDER, whose FOLDER is host N's already
set -eu
to=${!#}
host=${to%%:*}
cp "${@:1:$#-1}" "$work/host${host##*.}${to#*:}"
END
printf '#!/bin/bash\nexec "${@:4}"\n' >"$work/bin/runuser" # -u USER -- COMMAND
printf '#!/bin/bash\n' >"$work/bin/chown"
chmod +x "$work"/bin/*

# --- the guide, as two kinds of block ----------------------------------------------------------

# Writes block K's text to K.sh and its words after `run` to K.how.
awk -v out="$work/block" '
    /^```sh run/ { k++; file = sprintf("%s%02d", out, k); sub(/^```sh run ?/, ""); print > (file ".how"); inside = 1; next }
    /^```/ { inside = 0; next }
    inside { print > (file ".sh") }' "$guide"

on_host() { # N <TEXT: the text as host N has it
    sed -e "s|/etc/|$work/host$1/etc/|g; s|/var/lib/|$work/host$1/var/lib/|g" \
        -e "s|127\.0\.0\.1|$net.$1|g; s|10\.0\.0\.|$net.|g"
}

# One shell for all the operator's blocks, so that what one sets the next one has.
{
    echo 'set -eu'
    for how in "$work"/block??.how; do
        text=${how%.how}.sh
        case $(cat "$how") in
        *haproxy*) command -v haproxy >/dev/null || continue ;;
        esac
        echo "echo; echo '--- block $(basename "${how%.how}" | tr -dc 0-9)'"
        case $(cat "$how") in
        each*)
            for n in 1 2 3; do
                { echo 'set -eu'; on_host $n <"$text"; } >"${how%.how}.host$n"
                echo "N=$n bash '${how%.how}.host$n'"
            done
            ;;
        *) sed -e "s|10\.0\.0\.|$net.|g" -e "s|\(root@[^:]*\):|\1:|" "$text" ;;
        esac
    done
} >"$work/all.sh"

# haproxy.cfg.example is what a host has on its disk, not what the guide says: its addresses too.
for n in 1 2 3; do
    on_host $n <"$work/host$n/etc/florin/haproxy.cfg.example" >"$work/cfg"
    mv "$work/cfg" "$work/host$n/etc/florin/haproxy.cfg.example"
done

cd "$work/operator"
unset FLORIN_ENDPOINTS FLORIN_KEY FLORIN_CA
export no_proxy='*' PATH="$work/bin:$PATH"
if ! bash "$work/all.sh" >"$work/out" 2>&1; then
    tail -n 40 "$work/out" >&2
    echo "FAILED: $guide, in the block above" >&2
    exit 1
fi
cd "$source"
blocks=$(grep -c '^--- block' "$work/out")
grep -q '^verified: 2 entries' "$work/out" || { cat "$work/out" >&2; exit 1; }
for n in 1 2 3; do
    grep -q 'the certificate of HTTPS was read again' "$work/host$n/florind.log" ||
        { echo "FAILED: host $n has not read its certificate again" >&2; exit 1; }
done
if command -v haproxy >/dev/null; then
    echo "docs: $guide: $blocks blocks were run"
else
    echo "docs: $guide: $blocks blocks were run; those with HAProxy SKIPPED, it is not installed"
fi
[ -z "${SHOW:-}" ] || cat "$work/out"
