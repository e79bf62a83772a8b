#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Render shards on a SLURM cluster, a slice of them per array task, each with a Ray of its own on its node:
#   sbatch --array=0-63 cluster/slurm/array.sh configs/multishade.yaml /scratch/multishade 64
# renders shards 0 to 4095, 64 per task. The folder must be one that all nodes see, or a URL (s3://...). Submit it again to
# continue: shards that are there are skipped, finished groups are taken up. Further arguments go to `multishade render`.
# A task that is preempted (SIGTERM) leaves nothing half done and is queued again. With GPUs (sbatch --gpus-per-node=4 ...
# --set render.device=optix) there is one Blender for each.
# MULTISHADE names the command; without it the clone is set up in place.
#SBATCH --job-name=multishade
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=48G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@60
set -euo pipefail
config=$1 output=$2 per_task=${3:-16}
cd "${SLURM_SUBMIT_DIR:-.}"
if [ -z "${MULTISHADE:-}" ]; then
  make .venv/.render
  MULTISHADE=.venv/bin/multishade
fi
gpus=${SLURM_GPUS_ON_NODE:-0} cpus=${SLURM_CPUS_PER_TASK:-1}
if [ "$gpus" -gt 0 ]; then
  workers=(--workers "$gpus" --gpus-per-worker 1 --cpus-per-worker $((cpus / gpus > 0 ? cpus / gpus : 1)))
else
  workers=(--workers "$cpus" --cpus-per-worker 1)
fi
first=$((SLURM_ARRAY_TASK_ID * per_task))
exec $MULTISHADE render "$config" --shards "$first-$((first + per_task - 1))" -o "$output" "${workers[@]}" "${@:4}"
