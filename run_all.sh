#!/usr/bin/env bash
# Trains the rows of both papers' tables and figures, then prints the result table and draws the figures.
#
#   bash run_all.sh                                          all tables at quick scale, on embedded data: minutes on 2 cores
#   bash run_all.sh --scale=reduced koster_table12           the rows whose names begin so, real data, a tenth of the epochs
#   bash run_all.sh --scale=paper koster_table1_ --seeds=0-9 as published, with further flags of tf_supermask.main
#
# Without a prefix, the rows named `check`, which answer questions about the papers, are left out.
# Sets up what is missing. The rows that tell most for their time come first. Finished runs are skipped and an interrupted
# one goes on: stop and start it at will.
set -euo pipefail
cd "$(dirname "$0")"
scale=quick prefix= further=()
for argument; do
  case $argument in
    --scale=*) scale=${argument#*=} ;;
    -*) further+=("$argument") ;;
    *) prefix=$argument ;;
  esac
done
[ -e "flags/_$scale.flags" ] || { echo "error: --scale=$scale is unknown; choose from quick, reduced, paper" >&2; exit 2; }
[ -n "$prefix" ] && rows=(flags/"$prefix"*.flags) || mapfile -t rows < <(printf '%s\n' flags/[!_]*.flags | grep -v _check_)
[ -e "${rows[0]}" ] || { echo "error: no row is named flags/$prefix*.flags; see flags/ for those there are" >&2; exit 2; }
source tests/environment.sh

$python -m tf_supermask.main "${rows[@]}" --flagfile="flags/_$scale.flags" ${further[@]+"${further[@]}"}
$python -m tf_supermask.report --scale="$scale"
