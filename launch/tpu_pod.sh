#!/usr/bin/env bash
# Trains on all hosts of a Cloud TPU slice, which it creates if it isn't there:
#
#     launch/tpu_pod.sh --name NAME --zone ZONE --type TYPE --version VERSION [options] \
#         -- --out FOLDER [flags of jaxens.train ...]
#
#   --name, --zone     the TPU, and where it is
#   --type, --version  its accelerator type and software version, as `gcloud compute tpus` has them
#   --project PROJECT  default: that of gcloud
#   --spot             a cheaper TPU that may be preempted
#   --setup COMMAND    each host runs it first, for example to mount what they share
#   --env NAME=VALUE   a variable for training; may be given several times
#   --retries N        how often to try again after a preemption or a lost connection (100)
#   --delete           delete the TPU at the end
#   --dry-run          print what would be run, and run nothing
#
# FOLDER is a URL, or on a file system that all hosts share and that outlives the TPU. After a
# preemption or a lost connection, training goes on with the run in it. A training that still runs
# on the TPU is ended first.
# JAXENS_GRACE: how many seconds training has to save and to end after SIGTERM. The default is 25.
# If training still runs 3 seconds after that, this script kills it.
# NAME, ZONE, TYPE, VERSION and PROJECT may also be in the variables TPU_NAME, TPU_ZONE, TPU_TYPE,
# TPU_VERSION and TPU_PROJECT.
set -euo pipefail # Written for bash 3.2, which macOS has.

say() { printf 'launch: %s\n' "$*" >&2; }

name=${TPU_NAME-} zone=${TPU_ZONE-} type=${TPU_TYPE-} version=${TPU_VERSION-}
project=${TPU_PROJECT-} setup='' retries=100 spot='' delete='' dry_run='' environment=()
while [[ $# -gt 0 && $1 != -- ]]; do
  option=$1
  shift
  case $option in
    --spot) spot=1 ;;
    --delete) delete=1 ;;
    --dry-run) dry_run=1 ;;
    --name | --zone | --type | --version | --project | --setup | --retries | --env)
      if [[ $# -eq 0 || $1 == -- ]]; then
        say "$option has no value"
        exit 2
      fi
      if [[ $option != --env ]]; then
        printf -v "${option#--}" %s "$1"
      elif [[ $1 == JAXENS_GRACE=* ]]; then
        say "leave out --env $1: set JAXENS_GRACE for this script, which passes it on"
        exit 2
      elif [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*= ]]; then
        environment+=("$1")
      else
        say "--env $1 has to be NAME=VALUE"
        exit 2
      fi
      shift
      ;;
    *)
      say "$option is no option of launch/tpu_pod.sh; flags of jaxens.train come after --"
      exit 2
      ;;
  esac
done
shift $(($# > 0)) # the --
for option in name zone type version; do
  if [[ -z ${!option} ]]; then
    say "--$option is missing (or the variable TPU_$(tr '[:lower:]' '[:upper:]' <<<"$option"))"
    exit 2
  fi
done
case " $* " in
  *" --out "* | *" --out="*) ;;
  *)
    say 'the flag --out FOLDER is missing after --: a folder that all hosts share'
    exit 2
    ;;
esac
for word; do
  case $word in
    --resume | --resume=*)
      say "leave out $word: this script always says --resume auto"
      exit 2
      ;;
  esac
done

grace=${JAXENS_GRACE:-25}
if [[ ! $grace =~ ^[0-9]+$ ]]; then
  say "JAXENS_GRACE=$grace has to be a whole number of seconds"
  exit 2
fi
environment+=("JAXENS_GRACE=$grace")

line() { # a command as a shell reads it
  local word text='' quote="'\\''"
  for word; do
    case $word in
      '' | *[!A-Za-z0-9_./:=,@%+-]*) text+=" '${word//\'/$quote}'" ;;
      *) text+=" $word" ;;
    esac
  done
  printf '%s\n' "${text# }"
}
run() {
  if [[ -n $dry_run ]]; then line "$@"; else "$@"; fi
}

place=("--zone=$zone")
[[ -z $project ]] || place+=("--project=$project")
tpu() { run gcloud compute tpus tpu-vm "$@" "${place[@]}"; }
create() {
  tpu create "$name" "--accelerator-type=$type" "--version=$version" ${spot:+--spot}
}
state() {
  tpu describe "$name" '--format=value(state)'
}
# Sets `now` to the state of the TPU, or to nothing if there is no TPU. Without a clear answer,
# for example because the network is down, it asks again, but not the first time.
look() {
  local failures
  for ((failures = 0; failures <= retries; failures++)); do
    if now=$(state 2>"$temporary/errors"); then
      seen=1
      return
    elif grep -q NOT_FOUND "$temporary/errors"; then
      seen=1 now=
      return
    fi
    cat "$temporary/errors" >&2
    say "the state of $name is unknown"
    [[ -n $seen ]] || break
    sleep "$pause"
  done
  exit 1
}
# A host that vanishes answers no more, and ssh would wait for hours.
on_all_hosts() {
  tpu ssh "$name" --worker=all '--ssh-flag=-o ServerAliveInterval=30' "--command=$1"
}
# Runs on the hosts. Ends a training that a lost connection has left there, because sshd doesn't.
# shellcheck disable=SC2329
end_training() {
  local pid signal left
  pid=$(cat ~/jaxens/training.pid 2>/dev/null) || return 0
  for signal in TERM KILL; do
    for ((left = $1; left >= 0; left--)); do
      ps -ww -o args= -p "$pid" | grep -q jaxens.train || return 0 # it has ended; others keep running
      [[ $left -ne $1 ]] || kill -s "$signal" "$pid"
      sleep 1
    done
  done
  echo "launch: process $pid does not end" >&2
  return 255 # try again
}
train() {
  local end install training start
  end="$(declare -f end_training); end_training $((10#$grace + 3))"
  # The Python of TPU hosts may be too old; uv brings one.
  install='rm -rf jaxens && mkdir jaxens && tar -xzf jaxens.tar.gz -C jaxens && cd jaxens'
  install+=' && { [ -x ~/.local/bin/uv ] || curl -LsSf https://astral.sh/uv/install.sh | sh; }'
  install+=' && ~/.local/bin/uv venv -q --python 3.11 .venv'
  install+=" && ~/.local/bin/uv pip install -q -p .venv/bin/python -c constraints.txt -e '.[tpu,gcs]'"
  training=$(line env "${environment[@]}" \
    .venv/bin/python -m jaxens.train --distributed --resume auto "$@")
  # If a connection is lost, gcloud connects again and repeats the command. That must not start a
  # second training: it sends SIGTERM to the first one, and this script starts all hosts again.
  start="cd jaxens && if [ -e training.pid ]; then kill \$(cat training.pid); exit 143; fi"
  start+=" && echo \$\$ >training.pid && exec $training"
  on_all_hosts "$end" &&
    run git -C "$root" archive --format=tar.gz "--output=$temporary/jaxens.tar.gz" HEAD &&
    tpu scp "$temporary/jaxens.tar.gz" "$name:" --worker=all &&
    { [[ -z $setup ]] || on_all_hosts "$setup"; } &&
    on_all_hosts "$install" &&
    on_all_hosts "$start"
}
finish() {
  if [[ -n $delete ]]; then
    tpu delete "$name" --quiet
  else
    say 'as long as the TPU exists, it costs money; delete it with:'
    dry_run=1 tpu delete "$name" --quiet >&2
  fi
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -n $dry_run ]]; then
  temporary=${TMPDIR:-/tmp}
  state
  create
  train "$@"
  [[ -z $delete ]] || finish
  exit
fi
if [[ -n $(git -C "$root" status --porcelain) ]]; then
  say 'changes that are not committed stay here: the hosts get the last commit'
fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"; finish' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

pause=${PAUSE:-60} # seconds
seen=              # whether gcloud has answered once about the TPU
for ((try = 0; try <= retries; try++)); do
  [[ $try -eq 0 ]] || say "try $((try + 1))"
  look
  case $now in
    READY | '') ;;
    PREEMPTED | TERMINATED | STOPPED)
      say "$name is $now: creating it again"
      tpu delete "$name" --quiet || true
      now=
      ;;
    *) # CREATING, RESTARTING, DELETING, ...
      say "$name is $now: waiting"
      sleep "$pause"
      continue
      ;;
  esac
  if [[ -z $now ]]; then
    code=0
    create 2>&1 | tee "$temporary/errors" >&2 || code=$?
    # gcloud itself refuses with 2.
    if [[ $code -eq 2 ]] || grep -Eq 'INVALID_ARGUMENT|PERMISSION_DENIED' "$temporary/errors"; then
      say "$name can't be created"
      exit 1
    elif [[ $code -ne 0 ]]; then
      sleep "$pause"
      continue
    fi
  fi
  code=0
  train "$@" || code=$?
  [[ $code -ne 0 ]] || exit 0
  sleep $((pause * 2)) # The state of a TPU lags behind.
  look
  # 255 is a lost connection, 143 SIGTERM.
  if [[ $now == READY && $code -ne 255 && $code -ne 143 ]]; then
    say "training failed with exit code $code"
    exit "$code"
  fi
  say "training was interrupted (exit code $code, the TPU is ${now:-gone})"
done
say "gave up after $retries retries"
exit 1
