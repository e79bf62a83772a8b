#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Render shards with one Ray cluster over all nodes of a SLURM job, so that no node waits while others have shards left:
#   sbatch --nodes=8 cluster/slurm/ray.sh configs/multishade.yaml /scratch/multishade 0-511
# A node that is lost costs the groups in progress there (--no-kill keeps the job). MULTISHADE and RAY name the commands;
# without them those of the clone's .venv are used. Further arguments go to `multishade render`.
#SBATCH --job-name=multishade
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=48G
#SBATCH --time=12:00:00
#SBATCH --no-kill
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
set -euo pipefail
config=$1 output=$2 shards=$3
cd "${SLURM_SUBMIT_DIR:-.}"
if [ -z "${MULTISHADE:-}" ]; then
  make .venv/.render
  MULTISHADE=.venv/bin/multishade RAY=.venv/bin/ray
fi
cpus=${SLURM_CPUS_PER_TASK:-1} gpus=${SLURM_GPUS_ON_NODE:-0}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# The batch script runs on the first node.
ip=$(getent ahostsv4 "${nodes[0]}" | awk 'NR == 1 { print $1 }')
# Many systems give the own name a loopback address, at which no other node would find the head.
case $ip in 127.*) ip=$(hostname -I | awk '{ print $1 }') ;; esac
address=$ip:$((20000 + SLURM_JOB_ID % 20000))
# All processes of a cluster need one token: srun takes it to the other nodes.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
started=()
stop() { kill "${started[@]}" 2> /dev/null || true; wait "${started[@]}" 2> /dev/null || true; }
trap stop EXIT
# A node whose packets vanish is given up after a minute (Ray by itself: seven); all processes take it from the head.
quick='{"grpc_client_keepalive_time_ms": 30000, "grpc_client_keepalive_timeout_ms": 30000}'
each=(--num-cpus="$cpus" --num-gpus="$gpus" --object-store-memory=100000000 --disable-usage-stats --block)
srun --overlap --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" \
  $RAY start --head --node-ip-address="$ip" --port="${address#*:}" --include-dashboard=false --system-config="$quick" "${each[@]}" &
started+=($!)
if [ "${#nodes[@]}" -gt 1 ]; then
  srun --overlap --nodes=$((${#nodes[@]} - 1)) --ntasks-per-node=1 --exclude="${nodes[0]}" --no-kill \
    $RAY start --address="$address" "${each[@]}" &
  started+=($!)
fi
for _ in $(seq 150); do
  timeout 2 bash -c "exec 3<> /dev/tcp/$ip/${address#*:}" 2> /dev/null && break
  sleep 2
done
workers=()
[ "$gpus" -eq 0 ] || workers=(--gpus-per-worker 1 --cpus-per-worker $((cpus / gpus > 0 ? cpus / gpus : 1)))
$MULTISHADE render "$config" --shards "$shards" -o "$output" --address "$address" "${workers[@]}" "${@:4}" &
driver=$!
trap 'kill -TERM $driver; wait $driver; stop; exit 130' TERM
wait $driver
