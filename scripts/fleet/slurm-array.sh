#!/bin/sh
# A comparison on each of some nodes, as a Slurm array: sbatch --array=0-7 scripts/fleet/slurm-array.sh [COMPARE-OPTIONS...]
#
# RESULTS, a folder that all nodes share, takes the results; by default isobench-fleet where sbatch was called.
#SBATCH --job-name=isobench
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
# Nobody else computes on the node meanwhile.
#SBATCH --exclusive
#SBATCH --time=00:20:00
#SBATCH --output=isobench-%A-%a.log
set -eu
# Slurm runs a copy of this script from its spool folder, so the others are found from where sbatch was called.
fleet=${FLEET:-${SLURM_SUBMIT_DIR:-.}/scripts/fleet}
results=${RESULTS:-${SLURM_SUBMIT_DIR:-.}/isobench-fleet}
if [ ! -x "$fleet/task" ]; then
    echo "slurm-array: no $fleet/task; call sbatch in the checkout of isobench, or set FLEET to its scripts/fleet" >&2
    exit 1
fi
exec "$fleet/task" "$results" "$@"
