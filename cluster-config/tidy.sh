#!/bin/bash
# Style and structure of the sources: what a reviewer would otherwise have to say again and again.
# Prints every finding and ends with one line; exit code 1 when there was one.
# shellcheck disable=SC2086,SC2053 # lists of words, and patterns, on purpose
set -u
cd "$(dirname "$0")/.." || exit 1

findings=0
found() {
    echo "tidy: $*"
    findings=$((findings + 1))
}

rooms="statemachine consensus api cluster-config node jepsen"
mapfile -t sources < <(find $rooms tests -name '*.[ch]' | sort)

# --- format. Versions of clang-format differ in details; 14 (bookworm's) is the one we use.
version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$version" = 14 ]; then
    for f in "${sources[@]}"; do
        clang-format --dry-run -Werror "$f" 2>/dev/null || found "$f: not formatted: clang-format -i"
    done
else
    echo "tidy: format not checked: clang-format is '${version:-missing}', the sources' is 14"
fi

# --- includes point one way: node -> api, consensus, cluster-config -> statemachine.
# ROOM, then what it may include of ours.
while read -r room allowed; do
    while IFS=: read -r file line text; do
        target=$(sed -n 's/.*#include "\([^"]*\)".*/\1/p' <<<"$text")
        ok=
        for a in $allowed; do
            [[ $target == $a ]] && ok=yes
        done
        [ -n "$ok" ] || found "$file:$line: $room must not include $target"
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$room"/*.[ch] /dev/null)
done <<'END'
statemachine statemachine/*
consensus consensus/* statemachine/*
api api/* consensus/submit.h statemachine/*
cluster-config cluster-config/* statemachine/*
node node/* api/* consensus/* cluster-config/* statemachine/*
jepsen jepsen/* cluster-config/* statemachine/* tests/cluster/* tests/model/*
END

# --- each foreign library stays in the rooms that are built around it.
# HEADER, then the rooms that may include it.
while read -r header allowed; do
    for room in $rooms; do
        case " $allowed " in
        *" $room "*) continue ;;
        esac
        while IFS= read -r line; do
            found "$line: $header belongs to: $allowed"
        done < <(grep -nE "#[[:space:]]*include[[:space:]]+<$header" "$room"/*.[ch] /dev/null)
    done
done <<'END'
raft.h consensus
uv.h consensus node api
lmdb.h statemachine
msgpack statemachine api
civetweb.h api
yajl/ api
jansson.h cluster-config jepsen
curl/ cluster-config
openssl/ api consensus cluster-config
isa-l statemachine
systemd/ node
END
# ... and the state machine knows no thread, no network, no event loop.
while IFS= read -r line; do
    found "$line: the state machine knows no network and no loop"
done < <(grep -nE '#[[:space:]]*include[[:space:]]+<(sys/socket|netinet/|arpa/|netdb|time|sys/time)' \
    statemachine/*.[ch])

# --- the state machine is deterministic: no clock, no chance, no floating point, no output.
without_comments() { # FILE: the same lines, comments and strings emptied
    awk '{
        out = ""
        line = $0
        while (length(line) > 0) {
            if (inside) {
                at = index(line, "*/")
                if (at == 0) { line = ""; break }
                line = substr(line, at + 2); inside = 0
            } else if (match(line, /"([^"\\]|\\.)*"|\/\*|\/\//)) {
                out = out substr(line, 1, RSTART - 1)
                token = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                if (token == "/*") { inside = 1 }
                if (token == "//") { line = "" }
            } else { out = out line; line = "" }
        }
        print out
    }' "$1"
}
banned='\<(time|clock|clock_gettime|gettimeofday|rand|srand|random|getrandom|randombytes_[a-z]*|printf|puts)[[:space:]]*\(|\<(float|double)\>'
for f in statemachine/*.[ch]; do
    while IFS= read -r line; do
        found "$f:$line: not in the state machine"
    done < <(without_comments "$f" | grep -nE "$banned")
done

# --- no unbounded string functions.
for f in $(printf '%s/*.[ch] ' $rooms); do
    while IFS= read -r line; do
        found "$f:$line: unbounded"
    done < <(without_comments "$f" | grep -nE '\<(strcpy|strcat|sprintf|vsprintf|gets)[[:space:]]*\(')
done

# --- no file-level mutable state in the rooms: `static` at the margin without const or (.
for room in $rooms; do
    for f in "$room"/*.c; do
        while IFS= read -r line; do
            found "$f:$line: mutable state at file level"
        done < <(without_comments "$f" | grep -nE '^static[^(]*(=|;)' | grep -vE '\<const\>|_Static_assert|static inline')
    done
done

# --- lengths: files are split by meaning long before this, functions fit a screen.
for f in "${sources[@]}"; do
    lines=$(wc -l <"$f")
    [ "$lines" -le 700 ] || found "$f: $lines lines; at most 700, and about 500 is plenty"
done
for room in $rooms; do
    for f in "$room"/*.c; do
        while IFS= read -r line; do
            found "$f:$line"
        done < <(awk '/^{/ {begin = NR} /^}/ && begin {
            if (NR - begin - 1 > 70) print begin ": a function of " NR - begin - 1 " lines; at most 70"
            begin = 0
        }' "$f")
    done
done

if [ "$findings" != 0 ]; then
    echo "tidy: $findings findings in ${#sources[@]} files"
    exit 1
fi
echo "tidy: ${#sources[@]} files, nothing to say"
