#!/usr/bin/env bash
# Trains the rows of both papers' tables and figures, then prints the main results and draws the figures.
#
#   bash run_all.sh                                          a first look in minutes: every table and method at quick scale, on
#                                                            embedded data, with one network of each table
#   bash run_all.sh --all                                    the same with all networks: about an hour on 2 cores
#   bash run_all.sh --scale=reduced koster_table12           the rows whose names begin so, real data, a tenth of the epochs
#   bash run_all.sh --scale=paper koster_table1_ --seeds=0-9 as published, with further flags of tf_supermask.main:
#                                                            --jobs=4, --executor=ray, --status...
#
#   bash run_all.sh --flagfile=my.flags                      the row in a file of yours; a file without --model and --mode gives
#                                                            further flags for all rows
#
# Rows named `check` answer questions about the papers and are left out, unless the prefix contains check. At quick scale as many
# runs as there are processors are trained at a time, each with its share of them, unless --jobs is given. The number of
# processors of a run can change the last bits of its results, the number of jobs cannot: --deterministic gives equal bits.
# Sets up what is missing. The cheapest and most informative rows are trained first. Finished runs are skipped, an interrupted one
# continues from its checkpoint.
set -euo pipefail
called_from=$PWD
cd "$(dirname "$0")"
scale=quick prefix= all=false further=() rows=()
for argument; do
  case $argument in
    -h | --help) sed -n '2,/^set /{ /^set /d; s/^# \{0,1\}//; p; }' run_all.sh; exit ;;
    --scale | --flagfile) echo "error: $argument needs a value: $argument=..." >&2; exit 2 ;;
    --scale=*) scale=${argument#*=} ;;
    --all) all=true ;;
    --flagfile=*)
      file=${argument#*=}
      [[ $file != /* && -e $called_from/$file ]] && file=$called_from/$file
      if grep -qsE '^--?mode(l)?=' "$file"; then rows+=("$file"); else further+=("--flagfile=$file"); fi ;;
    -*) further+=("$argument") ;;
    *) [ -z "$prefix" ] || { echo "error: two prefixes, $prefix and $argument; give one" >&2; exit 2; }; prefix=$argument ;;
  esac
done
[[ $scale =~ ^(quick|reduced|paper)$ ]] || { echo "error: --scale=$scale is unknown; choose from quick, reduced, paper" >&2; exit 2; }
[[ $prefix =~ ^[[:alnum:]_.-]*$ ]] || { echo "error: no row is named flags/$prefix*.flags" >&2; exit 2; }
left_out=_check_
[[ $prefix == *_check* ]] && left_out=none
# What is left out of the first look: of each table, all networks but one that shows it.
[[ $scale == quick && -z $prefix && $all == false ]] && left_out='_check_\|_conv[468]_\|_conv[246]\.\|zhou_.*_conv2_\|table15_conv\|appendix_._conv\|resnet20x\|resnet110\|table6_resnet56'
if [[ -n $prefix || ${#rows[@]} -eq 0 ]]; then  # without a prefix, the rows of the papers, not other files in flags/
  mapfile -t -O ${#rows[@]} rows < <(for start in ${prefix:-koster_ zhou_}; do compgen -G "flags/$start*.flags"; done | grep -v -e /_ -e "$left_out" | sort)
fi
[ ${#rows[@]} -gt 0 ] || { echo "error: no row is named flags/$prefix*.flags; see flags/ for those there are; flags are written --name=value" >&2; exit 2; }
jobs=()
[[ $scale == quick && " ${further[*]-}" != *" --executor"* ]] && jobs=("--jobs=$(getconf _NPROCESSORS_ONLN)")
source tests/environment.sh

status=0
command=($python -m tf_supermask.main "${rows[@]}" --flagfile="flags/_$scale.flags" ${jobs[@]+"${jobs[@]}"} ${further[@]+"${further[@]}"})
"${command[@]}" --status >/dev/null || exit $?  # wrong flags end here, with their error
"${command[@]}" || status=$?
[[ $status -eq 130 || " ${further[*]-}" == *" --status"* ]] && exit $status  # stopped by Ctrl-C
results=()
for argument in ${further[@]+"${further[@]}"}; do [[ $argument == --results_dir=* ]] && results=("$argument"); done
[ $status -eq 0 ] || echo "not all runs are trained, see above" >&2
$python -m tf_supermask.report --scale="$scale" ${results[@]+"${results[@]}"}
exit $status
