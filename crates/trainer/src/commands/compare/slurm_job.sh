#!/bin/bash
# A comparison on Slurm. Submit this script twice: as a job array whose tasks train the runs, and as a report job
# that trains the remaining runs, and writes the report:
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
program=
signaled=
trap 'signaled=yes; [ -z "$program" ] || kill -TERM $program' TERM
printf -v started '%(%s)T' -1
@PROGRAM@ compare --resume @FOLDER@ $worker@JOBS@ --threads "${SLURM_CPUS_PER_TASK:-1}" &
program=$!
[ -z "$signaled" ] || kill -TERM $program
while :; do
    signaled=
    wait $program
    status=$?
    # A signal ends `wait`, but not yet the program.
    [ -n "$signaled" ] || break
done

# The job continues later, unless somebody has cancelled it. After the loss of a node, Slurm requeues it by itself.
# Status 143: the signal came before the program could handle it.
if { [ $status = 130 ] || [ $status = 143 ]; } && [ "$(squeue --noheader --jobs "$job" --format %T)" = RUNNING ]; then
    # If no task saves anything between two time limits, requeued tasks would never end. The state before the first step
    # does not count. This compares the clock of the node with that of the file server.
    saved=$(find @FOLDER@/runs -mindepth 2 -maxdepth 3 -newermt "@$started" \( -name result.json -o \
        -name 'epoch-*-images-*' ! -name epoch-0000000001-images-0000000000 \) -print -quit 2> /dev/null)
    if [ -n "$saved" ]; then
        scontrol requeue "$job"
    else
        echo "error: not requeued: nothing was trained before Slurm stopped this job; submit again with a longer" \
            "--time, or with --signal=B:TERM@20" >&2
    fi
fi
exit $status
