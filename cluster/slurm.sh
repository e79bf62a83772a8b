#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Render shards on a SLURM cluster, a slice of them per array task, each with a Ray of its own on its node:
#   sbatch --array=0-63 cluster/slurm.sh configs/multishade.yaml /scratch/multishade 64
# renders shards 0 to 4095, 64 per task. The folder must be one that all nodes see. Submit it again to continue: shards
# that are there are skipped, and a task that is preempted (SIGTERM) leaves nothing half done.
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
make .venv/.render
first=$((SLURM_ARRAY_TASK_ID * per_task))
exec .venv/bin/multishade render "$config" --shards "$first-$((first + per_task - 1))" -o "$output" \
  --workers "${SLURM_CPUS_PER_TASK:-1}" --cpus-per-worker 1 "${@:4}"
