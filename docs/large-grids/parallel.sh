#!/usr/bin/env bash
# A spec in shards under GNU parallel, and what they store merged into one database:
#
#     parallel.sh SPEC SHARDS DATABASE [OPTION OF PARALLEL ...]
#     parallel.sh experiments/leaderboard.json 8 results/all.sqlite --sshlogin node1,node2
#
# One shard at a time on each machine: side by side they would disturb each other's times. The machines share the working
# folder under one path. Started again, it goes on where it stopped. TCA_LAB names the program where PATH does not have it.
set -euo pipefail
spec=$1 shards=$2 database=$3
shift 3
lab=${TCA_LAB:-tca-lab}
folder=${database%.sqlite}-shards
mkdir -p "$folder"

status=0
seq "$shards" | parallel --quote --jobs 1 --workdir "$PWD" "$@" \
  "$lab" run "$spec" --shard "{}/$shards" --db "$folder/shard-{}-of-$shards.sqlite" || status=$?
"$lab" merge "$folder"/shard-*-of-"$shards".sqlite --into "$database"
exit "$status"
