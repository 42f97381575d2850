#!/usr/bin/env bash
# Trains every flag file whose name begins with a prefix, then prints the result table and draws the training curves.
#
#   bash run_all.sh                              the main job at quick scale on embedded data: minutes on 2 cores
#   bash run_all.sh koster_table1 --seeds=0-49   these rows of the paper, with further flags of tf_supermask.main
#
# Sets up what is missing. Finished runs are skipped and an interrupted one goes on: stop and start it at will.
set -euo pipefail
cd "$(dirname "$0")"
prefix=quick
if [[ $# -gt 0 && $1 != -* ]]; then prefix=$1; shift; fi
files=(flags/"$prefix"*.flags)
[ -e "${files[0]}" ] || { echo "error: no flags/$prefix*.flags; there are: $(ls flags | tr '\n' ' ')" >&2; exit 2; }
source tests/environment.sh

for file in "${files[@]}"; do
  echo; sed -n '1s/^# //p' "$file"
  $python -m tf_supermask.main --flagfile="$file" "$@"
done
echo
if [[ $prefix == quick* ]]; then
  $python -m tf_supermask.report --results_dir=results/quick --readme= --figure=results/quick/training.png
else
  $python -m tf_supermask.report
fi
