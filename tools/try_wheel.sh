#!/usr/bin/env bash
# Runs the installed command away from the source tree: try_wheel.sh FOLDER_OF_THE_COMMAND
set -euo pipefail
bin=$(realpath -s "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
home=$("$bin/python" -c "import calm_pl; print(calm_pl.__path__[0])")
[[ $home == "$(dirname "$bin")"/* ]] || { echo "calm_pl is imported from $home, not from the wheel"; exit 1; }
"$bin/calm-pl" fit-free --config demo.yaml data.shots=2 wandb.mode=disabled run.dir=run | tee table.txt
grep -q CALM-Global table.txt
grep -q "Attention heads" run/report.html
for class in 0 10 12; do  # the last number of a clip's name
    mkdir -p "sounds/class$class"
    ls "$home"/assets/esc10/audio/*-"$class".ogg | head -4 | xargs cp -t "sounds/class$class"
done
"$bin/calm-pl" train sounds --name mine --model bundled:tiny_lalm wandb.mode=disabled
"$bin/calm-pl" predict --classifier runs/mine sounds/class0 --csv | grep class0
