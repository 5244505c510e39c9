# Parts of a gate: commands whose seconds are kept, some of them side by side. Sourced by run and long.
# A part's output is shown whole when it has ended, so that no two mix.

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# pip compiles nothing (its falsy options are set by false): of 10,000 modules tests import a tenth.
export PIP_NO_COMPILE=0
# Byte code is kept, as in any installation: each daemon of a test would compile itself anew.
unset PYTHONDONTWRITEBYTECODE
set -m # each lane is a process group of its own: it can be ended whole, and heeds Ctrl-C

scratch=$(mktemp -d)
declare -A lanes=()
engine=

say() { printf '\n== %s\n' "$*"; }

# Code block number $1 of README.
readme() { awk -v wanted="$1" '/^```/ { inside = !inside; block += inside; next } inside && block == wanted' README.md; }

# part NAME COMMAND...: run it, show what it printed, note its seconds; its status.
part() {
  local name=$1 log status=0 real user system TIMEFORMAT='%R %U %S'
  shift
  log=$(mktemp "$scratch/log.XXXXXX")
  { time "$@" >"$log" 2>&1 </dev/null; } 2>"$log.time" || status=$?
  read -r real user system <"$log.time"
  {
    flock 9
    printf '%s\t%s\t%s\t%s\n' "$name" "$real" "$(echo "$user $system" | awk '{ print $1 + $2 }')" "$status" >>"$scratch/parts"
    if [ "$status" = 0 ]; then say "$name: $real s"; else say "$name: FAILED with $status after $real s"; fi
    cat "$log"
  } 9>"$scratch/lock"
  return "$status"
}

# lane NAME FUNCTION: run it beside what follows; `joined NAME` waits for it, with its status.
lane() { "$2" & lanes[$1]=$!; }
joined() {
  local status=0
  wait "${lanes[$1]}" || status=$?
  unset "lanes[$1]"
  return "$status"
}

# Each part with its seconds; `other` are those of its processes on a processor.
summary() {
  [ -s "$scratch/parts" ] || return 0
  say "seconds by part (several run side by side)"
  awk -F '\t' '{ printf "%8.1f s  %8.1f s of processor  %s%s\n", $2, $3, $1, $4 == 0 ? "" : "  FAILED"; sum += $2; cpu += $3 }
    END { printf "%8.1f s  %8.1f s of processor  the sum\n", sum, cpu }' "$scratch/parts"
  printf '%8d s  from beginning to end\n' "$SECONDS"
}

# Start a Docker engine if there is none; what it could not be started for is shown.
start_engine() {
  docker info >/dev/null 2>&1 && return
  say "start a Docker engine"
  dockerd >"$scratch/dockerd.log" 2>&1 &
  engine=$!
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.5
  done
  tail -n 5 "$scratch/dockerd.log"
  return 1
}

# Debian packages that are not here yet.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ "${#missing[@]}" = 0 ] && return
  say "install ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# End all that was started.
finish() {
  local status=$? name
  trap - EXIT INT TERM
  for name in "${!lanes[@]}"; do kill -TERM -- "-${lanes[$name]}" 2>/dev/null || true; done
  for name in "${!lanes[@]}"; do wait "${lanes[$name]}" 2>/dev/null || true; done
  if [ -n "$engine" ]; then kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null || true; fi
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
