#!/bin/bash
# Writes a man page on standard output, from what the programs and the sample config say themselves:
# one text, no page that lags behind.
#
#   docs/man/page.sh florind|florinctl|florin.conf VERSION [PROGRAM]
set -euo pipefail
here=$(dirname "$0")
page=$1 version=$2 program=${3:-}
# A package is built the same on any day.
when=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%d)

roff() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }

# `  term` opens an entry, `      text` is its text, `  term  text` is both; a line at the margin that
# ends with a colon is a heading, other lines at the margin are paragraphs.
from_help() {
    roff | awk '
        NR == 1 { next } # the usage line, or the name
        /^$/ { fresh = 1; next }
        /^      / { sub(/^ +/, ""); print; next }
        /^  / {
            sub(/^ +/, "")
            at = match($0, /  +/)
            print ".TP"
            if (at) {
                print "\\fB" substr($0, 1, at - 1) "\\fR"
                $0 = substr($0, at); sub(/^ +/, ""); print
            } else { print "\\fB" $0 "\\fR" }
            next
        }
        /:$/ { sub(/:$/, ""); print ".SH " toupper($0); next }
        { if (fresh) print ".PP"; fresh = 0; print }'
}

# A block of comments and the `key = value` under it; a commented key shows the default.
from_conf() {
    awk '
        /^# ---/ { gsub(/^# -+ | -+$/, ""); print ".SH " toupper($0); text = ""; next }
        /^$/ { text = ""; next }
        /^#? ?[a-z_]+ = / {
            sub(/^# /, "")
            print ".TP\n\\fB" $1 "\\fR (" $3 (NF > 3 ? " " $4 : "") ")"
            if (text != "") { printf "%s", text; last = text }
            text = ""
            next
        }
        /^# / { sub(/^# /, ""); text = text $0 "\n" }' | sed -e 's/-/\\-/g' -e '/^\.\(TP\|SH\)/!s/^\./\\\&./'
}

case $page in
florind)
    printf '.TH FLORIND 8 "%s" "florin %s" "System administration"\n' "$when" "$version"
    printf '.SH NAME\nflorind \\- one node of a Florin cluster, the replicated wallet ledger\n'
    printf '.SH SYNOPSIS\n.B florind \\-\\-config\n.I FILE\n[\\fIMODE\\fR]\n.SH DESCRIPTION\n'
    "$program" --help | from_help
    printf '.SH SEE ALSO\n.BR florinctl (1),\n.BR florin.conf (5)\n'
    ;;
florinctl)
    printf '.TH FLORINCTL 1 "%s" "florin %s" "User commands"\n' "$when" "$version"
    printf '.SH NAME\nflorinctl \\- talk to a Florin cluster: money, ledger, keys, nodes\n'
    printf '.SH SYNOPSIS\n.B florinctl\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR\n'
    "$program" --help | from_help
    printf '.SH SEE ALSO\n.BR florind (8),\n.BR florin.conf (5)\n'
    ;;
florin.conf)
    printf '.TH FLORIN.CONF 5 "%s" "florin %s" "File formats"\n' "$when" "$version"
    printf '.SH NAME\nflorin.conf \\- configuration of florind\n.SH DESCRIPTION\n'
    printf 'Lines of \\fIkey = value\\fR; # begins a comment. Relative paths are relative to the\n'
    printf 'folder of the file. Sizes need their unit (B, KiB, MiB, GiB), and so do times (ms, s, min).\n'
    printf 'In parentheses: an example for what must be given, the default for the rest.\n'
    from_conf <"$here/../../cluster-config/three-nodes/node1.conf"
    printf '.SH SEE ALSO\n.BR florind (8)\n'
    ;;
*)
    echo "page.sh: no page $page" >&2
    exit 2
    ;;
esac
