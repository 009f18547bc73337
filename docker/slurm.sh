#!/usr/bin/env bash
# A Ray cluster over the nodes of one Slurm job, and a build on it: sbatch docker/slurm.sh
# The studies, the output and this installation stand on a file system that all nodes share.
#SBATCH --job-name=medcutmix
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -euo pipefail

STUDIES=${STUDIES:?folder of the studies, such as STUDIES=/scratch/mimic-cxr-jpg}
OUTPUT=${OUTPUT:?folder of the dataset}
SOURCE=${SOURCE:-mimic-cxr-jpg}
PORT=${PORT:-6379}
HEAD_PATIENCE=${HEAD_PATIENCE:-300} # seconds until the head has to answer
CPUS=${SLURM_CPUS_PER_TASK:-1}

# Others share these machines: without the token nobody joins.
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
RAY_AUTH_TOKEN=$(openssl rand -hex 32)
export RAY_AUTH_TOKEN
# Paths of sockets have to be short, and a node's own disk is quicker.
SESSION=/tmp/medcutmix-${SLURM_JOB_ID:?this is to be run by sbatch}

mapfile -t NODES < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
HEAD=$(srun --nodes=1 --ntasks=1 -w "${NODES[0]}" hostname --ip-address | awk '{print $1}')

srun --nodes=1 --ntasks=1 --overlap -w "${NODES[0]}" \
    ray start --head --block --node-ip-address="$HEAD" --port="$PORT" --num-cpus="$CPUS" \
    --include-dashboard=false --temp-dir="$SESSION" &
HEAD_PID=$!
SECONDS=0
until ray health-check --address "$HEAD:$PORT" >/dev/null 2>&1; do
    if ! kill -0 "$HEAD_PID" 2>/dev/null || ((SECONDS > HEAD_PATIENCE)); then
        echo "error: no Ray answers on ${NODES[0]} ($HEAD:$PORT); is the port taken? Another one: PORT=6380" >&2
        kill "$HEAD_PID" 2>/dev/null || true
        exit 1
    fi
    sleep 2
done
for node in "${NODES[@]:1}"; do
    srun --nodes=1 --ntasks=1 --overlap -w "$node" \
        ray start --block --address="$HEAD:$PORT" --num-cpus="$CPUS" --disable-usage-stats &
done

# On the head's machine; `exec` would leave the nodes behind. Two minutes before the end Slurm sends TERM to this script.
srun --nodes=1 --ntasks=1 --overlap -w "${NODES[0]}" \
    medcutmix-pipeline build --source "$SOURCE" --root "$STUDIES" --out "$OUTPUT" --ray-address "$HEAD:$PORT" &
BUILD=$!
trap 'kill -TERM "$BUILD"; wait "$BUILD" || true; kill $(jobs -p); exit 143' TERM
wait "$BUILD" && STATUS=0 || STATUS=$?
kill $(jobs -p) 2>/dev/null || true
wait || true
exit "$STATUS"
