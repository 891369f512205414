# Completion for xl with postcopy: the commands and options of ours; for all
# else what the packaged xl's completion knows.

# Guests name themselves, and compgen -W expands its words as the shell does
# before it compares them: what comes from a host never goes through that.  Each
# line of the input that begins with $cur is offered, quoted for the shell.
_xl_postcopy_offer()
{
    local name
    while IFS= read -r name; do
        [[ -n $name && $name == "$cur"* ]] || continue
        printf -v name %q "$name"
        COMPREPLY+=("$name")
    done
}

# A name may have blanks in it: it is what stands before the columns of figures.
_xl_postcopy_domains()
{
    xl list 2> /dev/null | sed -n -E \
        '2,$ { /^Domain-0 /d; s/ +[0-9]+ +[0-9]+ +[0-9]+ +[^ ]+ +[0-9.]+$//p }'
}

# A migration's line begins with the name, and the next column is a word of ours.
_xl_postcopy_migrating()
{
    xl migrate-status 2> /dev/null | awk 'NR > 1 && /^[^ ]/ { print $1 }'
}

_xl_postcopy_migrate()
{
    case $prev in
    -C)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    --push-order)
        mapfile -t COMPREPLY < <(compgen -W "recent ascending" -- "$cur")
        return ;;
    --precopy-iterations | --precopy-dirty-threshold | --max-downtime | \
    --background-rate | --window-before | --window-after | \
    --link-timeout | -s)
        return ;;
    esac
    case $cur in
    --postcopy=*)
        # Readline takes the = for a break between words.
        mapfile -t COMPREPLY < <(
            compgen -W "now auto after: after-rounds:" -- "${cur#*=}") ;;
    -*)
        mapfile -t COMPREPLY < <(compgen -W "--postcopy --postcopy=
            --precopy-iterations --precopy-dirty-threshold --max-downtime
            --background-rate --no-background --push-order
            --window-before --window-after --fault-channel
            --fault-channel= --allow-exposed-backends --late-build
            --early-build --link-timeout --json --debug --live --help
            -s -e -C -p -D -h" -- "$cur") ;;
    *)
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
        _xl_postcopy_offer < <(_xl_postcopy_domains) ;;
    esac
}

_xl_postcopy()
{
    local cur prev line words command
    COMPREPLY=()
    # The words as the shell has them, not as readline breaks them up.
    line=${COMP_LINE:0:COMP_POINT}
    read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cur=${words[-1]}
    prev=${words[-2]-}
    command=${words[1]-}
    if ((${#words[@]} == 2)); then
        mapfile -t COMPREPLY < <(compgen -W "migrate-status migrate-wait migrate-abort
            migrate-recover migrate-start-postcopy migrate-set-rate" -- "$cur")
        _xl_postcopy_offer < <(
            xl help 2> /dev/null | awk '/^ [^ ]/ { print $1 }')
        return
    fi
    case $command in
    migrate)
        _xl_postcopy_migrate
        # What goes on behind its last character is not over.
        [[ ${COMPREPLY[0]-} == *[=:] ]] && compopt -o nospace ;;
    migrate-receive)
        mapfile -t COMPREPLY < <(
            compgen -W "--postcopy --link-timeout --recover --debug
                -e -F -d -p" -- "$cur") ;;
    migrate-recover)
        case $prev in
        --background-rate | --link-timeout | -s) return ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "--background-rate --link-timeout
            --json --help -s -h" -A hostname -- "$cur")
        _xl_postcopy_offer < <(_xl_postcopy_migrating) ;;
    migrate-status)
        mapfile -t COMPREPLY < <(compgen -W "--json --watch --commands" -- "$cur")
        _xl_postcopy_offer < <(_xl_postcopy_migrating) ;;
    migrate-wait)
        mapfile -t COMPREPLY < <(compgen -W "--limit --then-abort" -- "$cur")
        _xl_postcopy_offer < <(_xl_postcopy_migrating) ;;
    migrate-start-postcopy | migrate-abort)
        _xl_postcopy_offer < <(_xl_postcopy_migrating) ;;
    migrate-set-rate)
        if ((${#words[@]} == 3)); then
            _xl_postcopy_offer < <(_xl_postcopy_migrating)
        else
            mapfile -t COMPREPLY < <(compgen -W "unlimited" -- "$cur")
        fi ;;
    *)
        _xl_postcopy_offer < <(_xl_postcopy_domains) ;;
    esac
}

complete -F _xl_postcopy -o default xl xl-postcopy
