# Completion of florinctl for bash. The commands come from `florinctl --help`, so this never lags
# behind the program.
_florinctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local help i words=()
    case $previous in
    --key-file | --credential-file | --ca)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --as)
        mapfile -t COMPREPLY < <(compgen -W "provider platform operator" -- "$current")
        return
        ;;
    esac
    help=$("${COMP_WORDS[0]}" --help 2>/dev/null) || return
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '--[a-z][a-z-]+' <<<"$help" | sort -u)" -- "$current")
        return
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* ]] || words+=("${COMP_WORDS[i]}")
    done
    # A command's line starts with two spaces; its first words are in small letters.
    case ${#words[@]} in
    0) words=("$(awk '/^  [a-z]/ {print $1}' <<<"$help" | sort -u)") ;;
    1) words=("$(awk -v first="${words[0]}" '/^  [a-z]/ && $1 == first && $2 ~ /^[a-z]/ {print $2}' <<<"$help")") ;;
    *) return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
}
complete -F _florinctl florinctl
