#!/usr/bin/env bash
# Trains on all hosts of a TPU slice of Google Kubernetes Engine, with launch/gke_jobset.yaml:
#
#     launch/gke.sh [--dry-run] IMAGE CLAIM --out /runs/FOLDER [flags of jaxens.train ...]
#
# IMAGE is what launch/Dockerfile builds. CLAIM is a PersistentVolumeClaim that all pods can write
# (ReadWriteMany); they see it as /runs. --out may also be a URL, gs://BUCKET/FOLDER. --dry-run prints
# what would be run, and runs nothing.
set -euo pipefail # Written for bash 3.2, which macOS has.

say() { printf 'launch: %s\n' "$*" >&2; }

dry_run=
if [[ ${1-} == --dry-run ]]; then
  dry_run=1
  shift
fi
if [[ $# -lt 2 || $1 == -* || $2 == -* ]]; then
  say 'usage: launch/gke.sh [--dry-run] IMAGE CLAIM --out /runs/FOLDER [flags of jaxens.train ...]'
  exit 2
fi
image=$1 claim=$2
shift 2
if [[ ! $image =~ ^[A-Za-z0-9][A-Za-z0-9./:@_-]*$ ]]; then
  say "$image is no name of an image"
  exit 2
fi
if [[ ! $claim =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]]; then
  say "$claim is no name of a PersistentVolumeClaim"
  exit 2
fi
case " $* " in
  *" --out /runs/"* | *" --out=/runs/"* | *" --out gs://"* | *" --out=gs://"*) ;;
  *)
    say 'the flag --out /runs/FOLDER is missing: a folder of the PersistentVolumeClaim, or a gs:// URL'
    exit 2
    ;;
esac
for word; do
  case $word in
    --resume | --resume=*)
      say "leave out $word: this script always says --resume auto"
      exit 2
      ;;
    *[[:cntrl:]]*)
      say 'a flag has a line break or another control character'
      exit 2
      ;;
  esac
done

quoted() { # a text for YAML, in which Kubernetes does not replace $(NAME)
  local quote="'" text=${1//\$/\$\$}
  printf "'%s'" "${text//$quote/$quote$quote}"
}
jobset() { # the file without its comments at the top, and filled in
  local line word
  while IFS= read -r line; do
    case $line in
      '#'*) ;;
      *'image: IMAGE') printf '%s%s\n' "${line%IMAGE}" "$(quoted "$image")" ;;
      *'claimName: CLAIM') printf '%s%s\n' "${line%CLAIM}" "$(quoted "$claim")" ;;
      *'- FLAGS') for word; do printf '%s%s\n' "${line%FLAGS}" "$(quoted "$word")"; done ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <"$root/launch/gke_jobset.yaml"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -n $dry_run ]]; then
  echo "kubectl create -f - <<'END'"
  jobset "$@"
  echo END
else
  jobset "$@" | kubectl create -f -
fi
