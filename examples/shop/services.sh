# What the scripts of this example share: the programs, started on free ports of loopback, and ended when the script ends.
#
#   SHOP_PROGRAMS names a directory with the four programs, and SHOP_WEFTD a weftd, that are built already; SHOP_DATA is where the databases
#   go and stay (otherwise a temporary directory, which goes).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# --- only what is started here is ever ended, by its number -----------------------------------------------------------
declare -A pid=() # of each program
cleanup()
{
    local p
    for p in "${pid[@]}"; do kill "$p" 2>/dev/null && kill -CONT "$p" 2>/dev/null || true; done
    { wait || true; } 2>/dev/null
    [[ -n ${SHOP_DATA:-} ]] || rm -rf "$data"
}
data=${SHOP_DATA:-$(mktemp -d "${TMPDIR:-/tmp}/weft-shop.XXXXXX")}
mkdir -p "$data"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the programs -----------------------------------------------------------------------------------------------------
quietly() { timeout 3000 "$@" >"$data/build.log" 2>&1 || { cat "$data/build.log" >&2; die "$1 $2 failed"; }; }

programs=${SHOP_PROGRAMS:-} weftd=${SHOP_WEFTD:-$(command -v weftd || true)}
if [[ -z $programs ]]; then
    echo "building (a few minutes the first time) ..."
    if [[ -f $here/../../CMakePresets.json ]]; then # within weft's tree
        root=$(cd "$here/../.." && pwd)
        timeout 900 "$root/scripts/setup"
        (cd "$root" && quietly cmake --preset release)
        (cd "$root" && quietly cmake --build --preset release --parallel "${WEFT_JOBS:-$(nproc)}" --target shop_order shop_user shop_product shop_payment weftd)
        programs=$root/build/release/examples/shop weftd=$root/build/release/src/weftd/weftd
    else # copied out: against the weft that is installed
        quietly cmake -S "$here" -B "$here/build"
        quietly cmake --build "$here/build" --parallel "${WEFT_JOBS:-$(nproc)}"
        programs=$here/build
    fi
fi

# start NAME FILE ARGUMENTS...: a program that says its address in its first line. Sets url[NAME].
declare -A url=()
start()
{
    local name=$1 program=$2
    shift 2
    : >"$data/$name.out"
    "$program" "$@" >"$data/$name.out" 2>>"$data/$name.log" &
    pid[$name]=$!
    await "$name" "$data/$name.out"
}

# Until its address stands in a file.
await()
{
    local name=$1 file=$2 i
    for ((i = 0; i < 600; ++i)); do
        if [[ $(<"$file") =~ http://127\.0\.0\.1:[0-9]+ ]]; then
            url[$name]=${BASH_REMATCH[0]}
            return
        fi
        kill -0 "${pid[$name]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$data/$name.log" >&2
    die "$name does not start"
}

# A port for NAME: the one that it had before, or a free one from below those that the system gives to clients, so that nobody takes it while the
# service is down.
port_of()
{
    local port=${url[$1]:-}
    port=${port##*:}
    while [[ -z $port ]]; do
        port=$((12000 + RANDOM % 20000))
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then port=''; fi
    done
    echo "$port"
}

start_service() { start "$1" "$programs/shop_$1" "$data/$1.db" "$(port_of "$1")"; } # start_service user | product | payment
start_order() { start order "$programs/shop_order" "$data/order.db" "$(port_of order)" "${url[user]}" "${url[product]}" "${url[payment]}"; }

start_services()
{
    start_service user
    start_service product
    start_service payment
    start_order
}

# weftd, with its transactions in a SQLite file beside the others.
start_weftd()
{
    local port
    [[ -n $weftd ]] || die "there is no weftd: is weft installed? SHOP_WEFTD names one"
    port=$(port_of weftd)
    : >"$data/weftd.log"
    (cd "$data" && HTTP_PORT=$port STORE_PATH=weftd.db exec "$weftd" >"$data/weftd.log" 2>&1) &
    pid[weftd]=$!
    await weftd "$data/weftd.log"
}

post() { curl -sS --max-time 30 -H 'Content-Type: application/json' -d "$2" "$1"; }

# The status of a transaction that weftd runs.
status_of() { curl -sS --max-time 30 "${url[weftd]}/api/dtmsvr/query?gid=$1" | sed 's/.*"transaction":{[^}]*"status":"\([a-z]*\)".*/\1/'; }

until_ended() # until_ended GID: succeed or failed
{
    local i
    for ((i = 0; i < 600; ++i)); do
        ended=$(status_of "$1")
        [[ $ended != succeed && $ended != failed ]] || return 0
        sleep 0.1
    done
    die "$1 does not end"
}

books()
{
    local name
    for name in order product user payment; do
        printf '   %-8s %s\n' "$name" "$(curl -sS --max-time 30 "${url[$name]}/books")"
    done
}
