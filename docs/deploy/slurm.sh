#!/bin/bash
# A night's batch on a Slurm cluster, in one of two ways.
#
# With no server at all, each task makes a share of the files:
#   sbatch --array=1-16 docs/deploy/slurm.sh shards clips.jsonl /shared/clips
# With a PostgreSQL that all nodes reach, the tasks are workers, odd ones of the first expert, even ones of the second;
# phasor render --store on the login node sends and fetches (docs/scale.md):
#   export PHASOR_STORE=postgres://phasor@db/phasor PHASOR_BLOBS=file:///shared/phasor
#   sbatch --array=1-16 docs/deploy/slurm.sh workers
#
#SBATCH --cpus-per-task=32
#SBATCH --mem=64G
#SBATCH --time=12:00:00
# Time to put back what is not finished.
#SBATCH --signal=B:TERM@180
set -euo pipefail
MODEL=${MODEL:-/shared/models/Wan2.2-T2V-A14B-Diffusers}
case ${1:-} in
shards)
    exec phasor render "$2" --out "$3" --model "$MODEL" --precision bf16 \
        --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
    ;;
workers)
    parts=text_encoder,transformer
    ((SLURM_ARRAY_TASK_ID % 2)) || parts=transformer_2,vae
    exec phasor work "$MODEL" --precision bf16 --parts "$parts" --drain 150
    ;;
*)
    echo "usage: sbatch --array=1-N $0 shards MANIFEST OUT | workers" >&2
    exit 2
    ;;
esac
