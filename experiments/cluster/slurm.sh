#!/usr/bin/env bash
# Training under SLURM beyond the time limit of a job: two minutes before the limit it saves a checkpoint, requeues the
# job, and resumes when the job starts again.
#
# command  sbatch experiments/cluster/slurm.sh --config experiments/imagenet/inception_v3.yaml
#SBATCH --job-name=inception
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -u

# One folder per job: a requeued job keeps its number, and so finds its own run.
args=(fit "$@" --resume auto --trainer.default_root_dir "runs/slurm-$SLURM_JOB_ID"
      --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.strategy ddp)

time_is_up=no
trap 'time_is_up=yes; kill -USR1 "${step:-$!}"' USR1  # srun passes the signal on to every process
srun --kill-on-bad-exit=1 lightning "${args[@]}" &
step=$!
wait "$step"; code=$?
while kill -0 "$step" 2>/dev/null; do wait "$step"; code=$?; done  # a signal ends wait before the step has ended

# 143: all processes have stopped and the checkpoint is written
if [ "$time_is_up" = yes ] && [ "$code" -eq 143 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
