#!/usr/bin/env bash
# Trains with N processes on this machine, which find each other through JAX's own runtime:
#
#     launch/local.sh [--dry-run] N [flags of jaxens.train ...]
#
# Process 0 prints here, the others to log files. If one fails, the others are ended. Ctrl-C,
# SIGTERM and SIGHUP end all in order; a second one kills them.
# PYTHON names the Python to use. The default is .venv/bin/python if it is there, else python3.
# JAXENS_GRACE is the number of seconds (25) that each of them has to save and end, after a signal
# or after one has failed. One that still runs 3 seconds later is killed.
set -euo pipefail # Written for bash 3.2, which macOS has: no `wait -n`.

say() { printf 'launch: %s\n' "$*" >&2; }

dry_run=
if [[ ${1-} == --dry-run ]]; then
  dry_run=1
  shift
fi
if [[ ! ${1-} =~ ^[1-9][0-9]*$ ]]; then
  say 'usage: launch/local.sh [--dry-run] N [flags of jaxens.train ...]'
  exit 2
fi
count=$1
shift
grace=${JAXENS_GRACE:-25}
if [[ ! $grace =~ ^[0-9]+$ ]]; then
  say "JAXENS_GRACE=$grace has to be a whole number of seconds"
  exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[[ -n ${PYTHON-} || -x $python ]] || python=python3

# Below the ports that systems give to outgoing connections, so that nobody takes it meanwhile.
port=$((RANDOM % 10000 + 20000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((RANDOM % 10000 + 20000)); done
logs=$(mktemp -d ${dry_run:+-u} "${TMPDIR:-/tmp}/jaxens.XXXXXX")
if [[ -n $dry_run ]]; then
  printf 'mkdir %q\n' "$logs"
else
  say "$count x $python, meeting at 127.0.0.1:$port; process 0 prints here"
  [[ $count -eq 1 ]] || say "logs of the others: $logs/process-*.log"
fi

# Signals are noted here, and handled below.
got='' name=''
trap 'got=130 name=Ctrl-C' INT
trap 'got=143 name=SIGTERM' TERM
trap 'got=129 name=SIGHUP' HUP

# The processes ignore Ctrl-C, which a terminal sends to each of them: they would be stopped twice.
start() { trap '' INT HUP && exec "$@"; }
pids=()
for ((i = count - 1; i >= 0; i--)); do
  log=$logs/process-$i.log
  # On a machine with GPUs, each process takes one.
  words=(
    env "JAX_COORDINATOR_ADDRESS=127.0.0.1:$port" "JAX_NUM_PROCESSES=$count"
    "JAX_PROCESS_ID=$i" "JAX_LOCAL_DEVICE_IDS=$i" "JAXENS_GRACE=$grace"
    "$python" -m jaxens.train --distributed "$@"
  )
  if [[ -n $dry_run ]]; then
    line=$(printf ' %q' "${words[@]}")
    if [[ $i -eq 0 ]]; then echo "${line# }"; else printf '%s >%q 2>&1 &\n' "${line# }" "$log"; fi
  elif [[ $i -eq 0 ]]; then
    start "${words[@]}" &
    pids[i]=$!
  else
    start "${words[@]}" >"$log" 2>&1 &
    pids[i]=$!
  fi
done
[[ -z $dry_run ]] || exit 0

code=0    # that of the first failure or signal
stopping= # whether the processes were asked to end
end() {
  local pid
  for pid in "${pids[@]}"; do [[ -z $pid ]] || kill -s "$1" "$pid" 2>/dev/null || true; done
}
stop() { # with a code
  stopping=1
  code=$1
  limit=$((10#$grace + 3))
  deadline=$((SECONDS + limit))
  end TERM
}

left=$count
while [[ $left -gt 0 ]]; do
  sleep 0.2 || true # Ctrl-C ends it, as it would end a subshell: there is none in this loop
  if [[ -n $got && -n $stopping ]]; then
    say "$name: killing what still runs"
    end KILL
  elif [[ -n $got ]]; then
    say "$name: ending all processes"
    stop "$got"
  fi
  got=
  failed=
  for ((i = 0; i < count; i++)); do
    if [[ -z ${pids[i]} ]] || kill -0 "${pids[i]}" 2>/dev/null; then continue; fi
    result=0
    wait "${pids[i]}" || result=$?
    pids[i]=
    left=$((left - 1))
    [[ $result -ne 0 ]] || continue
    [[ -z $stopping && -z $got ]] || continue
    failed=${failed:-$result}
    say "process $i failed with exit code $result"
    if [[ $i -gt 0 ]]; then
      say "the last lines of $logs/process-$i.log:"
      tail -n 20 "$logs/process-$i.log" >&2
    fi
  done
  if [[ -n $failed && -z $stopping ]]; then
    [[ $left -eq 0 ]] || say 'ending the others'
    stop "$failed"
  fi
  if [[ -n $stopping && $SECONDS -gt $deadline && $left -gt 0 ]]; then
    say "$left of $count processes did not end in $limit seconds: killing them"
    end KILL
    deadline=$((SECONDS + limit))
  fi
done
[[ $code -ne 0 || -z $got ]] || code=$got
[[ $code -ne 0 ]] || say 'all processes have ended'
exit "$code"
