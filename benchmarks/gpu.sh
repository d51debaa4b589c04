#!/usr/bin/env bash
# What only a GPU can show, in one call of at most 9 minutes:
#
#   bash benchmarks/gpu.sh pack FOLDER [CIFAR]   here: the wheels that a machine with torch, torchvision, timm and
#                                                lightning lacks, and CIFAR-10's images (an archive or folder of
#                                                train/NAME/*.jpg, test/NAME/*.jpg), into FOLDER: under 60 MB
#   bash benchmarks/gpu.sh FOLDER [PART ...]     there, without a network: all parts, or those that are named
#
# Parts: tests, networks, fit, cifar, profile, table. Each writes its result into $OUT (./gpu-results if it is not set)
# as soon as there is one, and a part whose result is there is left out; networks goes on after its last row.
# SECONDS_LEFT (540) bounds all of it, TINY=1 makes everything small enough for a CPU, PYTHON is the interpreter, and
# NO_INSTALL=1 leaves the wheels where they are.
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
MOST=$((60 * 1000 * 1000))

pack() {
  local folder=$1 cifar=${2:-}
  mkdir -p "$folder/wheels"
  local wanted platforms=() libc
  mapfile -t wanted < <("$PYTHON" benchmarks/gpu_wheels.py)
  for libc in _2_28 _2_27 _2_17 2014 1; do platforms+=(--platform "manylinux${libc}_x86_64"); done
  "$PYTHON" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
    "${platforms[@]}" -d "$folder/wheels" "${wanted[@]}" || return 1
  if [ -n "$cifar" ]; then
    if [ -d "$cifar" ]; then tar -cJf "$folder/cifar10.tar.xz" -C "$(dirname "$cifar")" "$(basename "$cifar")"
    else cp "$cifar" "$folder/cifar10.tar.xz"; fi
  fi
  local size
  size=$(du -sb "$folder" | cut -f1)
  echo "$folder: $((size / 1000000)) MB"
  [ "$size" -lt "$MOST" ] || { echo "error: more than 60 MB" >&2; return 1; }
}

left() { echo $((END - $(date +%s))); }

# part NAME SHARE COMMAND...: runs COMMAND for at most SHARE seconds, or what is left; its output is $OUT/NAME.txt
part() {
  local name=$1 share=$2 code=0
  shift 2
  [ -n "$TINY" ] && share=600  # what is tiny is slow
  case " $PARTS " in *" $name "*) ;; *) return 0 ;; esac
  [ -e "$OUT/.$name" ] && { echo "== $name: done before"; return 0; }
  local most
  most=$(left)
  [ "$most" -gt "$share" ] && most=$share
  [ "$most" -lt 5 ] && { echo "== $name: no time left"; return 0; }
  echo "== $name, at most $most s"
  LIMIT=$most timeout --kill-after=10 "$most" "$@" > >(tee "$OUT/$name.txt") 2>&1 || code=$?
  [ "$code" = 0 ] && touch "$OUT/.$name"
  echo "== $name: exit code $code, $(left) s left"
}

main() {
  local carried
  carried=$(realpath "$1")
  shift
  PARTS="${*:-tests networks fit cifar profile table}"
  END=$(($(date +%s) + ${SECONDS_LEFT:-540}))
  export OUT=${OUT:-$PWD/gpu-results} PYTHONPATH=$PWD PYTHONUNBUFFERED=1 WANDB_MODE=disabled
  mkdir -p "$OUT"
  OUT=$(realpath "$OUT")
  if compgen -G "$carried/wheels/*.whl" >/dev/null && [ -z "${NO_INSTALL:-}" ]; then
    "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$OUT/../gpu-site" \
      "$carried"/wheels/*.whl || return 1
    PYTHONPATH=$PYTHONPATH:$(realpath "$OUT/../gpu-site")
  fi
  export PYTHONPATH CARRIED=$carried TINY=${TINY:-}
  part tests 130 "$PYTHON" -m pytest -q -n 0 -m gpu -p no:cacheprovider tests/test_gpu.py tests/test_precision.py \
    ${TINY:+-k "not bit_by_bit and not compiled"}
  part networks 190 "$PYTHON" benchmarks/gpu_networks.py
  part fit 60 "$PYTHON" benchmarks/gpu_fit.py
  part cifar 130 "$PYTHON" benchmarks/gpu_cifar.py
  part profile 40 "$PYTHON" benchmarks/gpu_profile.py
  part table 10 "$PYTHON" benchmarks/gpu_table.py
}

case "${1:-}" in
  pack) shift; [ $# -ge 1 ] || { echo "usage: gpu.sh pack FOLDER [CIFAR]" >&2; exit 2; }; pack "$@" ;;
  "" | -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0" ;;
  *) [ -d "$1" ] || { echo "error: there is no folder $1: make it by gpu.sh pack" >&2; exit 2; }; main "$@" ;;
esac
