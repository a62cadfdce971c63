#!/bin/bash
# A comparison on Slurm. Submit this script twice: as a job array whose tasks train the runs, and as a job that trains
# what they have left, and writes the report:
#   job=$(sbatch --parsable @ARRAY@ SCRIPT)
#   sbatch @AFTERWARDS@ SCRIPT
#SBATCH --job-name=mnist-trainer
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60

if [ -n "$SLURM_ARRAY_TASK_ID" ]; then
    job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    worker=--worker # trains runs that no other task is training, and writes no report
else
    job=$SLURM_JOB_ID
    worker=
fi

# A minute before the time limit, Slurm sends SIGTERM to this script only. On SIGTERM, the program saves its progress
# and exits with status 130.
@PROGRAM@ compare --resume @FOLDER@ $worker@JOBS@ --threads "${SLURM_CPUS_PER_TASK:-1}" &
program=$!
trap 'kill -TERM $program' TERM
wait $program
status=$?
# The signal ended `wait`, but not yet the program.
while kill -0 $program 2> /dev/null; do
    wait $program
    status=$?
done

# The job continues later, unless somebody has cancelled it. After the loss of a node, Slurm requeues it by itself.
if [ $status = 130 ] && [ "$(squeue --noheader --jobs "$job" --format %T)" = RUNNING ]; then
    scontrol requeue "$job"
fi
exit $status
