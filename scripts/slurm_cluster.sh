#!/usr/bin/env bash
# Runs a small Slurm cluster on this machine, to try `compare --submit slurm`: a controller and two nodes with two CPUs
# each. Needs root and Debian's packages slurm-wlm and munge. Writes $SLURM_CONF, by default /etc/slurm/slurm.conf, and
# refuses to touch a configuration that it has not written. `stop` cancels your jobs.
#
#   scripts/slurm_cluster.sh start | stop | status
#   scripts/slurm_cluster.sh kill NODE      kills a node with everything that runs on it, as a power failure does
#   scripts/slurm_cluster.sh start NODE     starts it again
#
# State and logs are in /var/tmp/slurm_cluster, or in $SLURM_CLUSTER.
set -euo pipefail
state=${SLURM_CLUSTER:-/var/tmp/slurm_cluster}
nodes="node1 node2"
conf=${SLURM_CONF:-/etc/slurm/slurm.conf}

if ! grep -qsx ClusterName=try "$conf" && { [ -e "$conf" ] || [ "${1:-}" = stop ]; }; then
    echo "error: $conf does not configure the cluster of this script" >&2
    exit 1
fi

configure() {
    mkdir -p "$state"/{controller,node1,node2} "$(dirname "$conf")"
    cat > "$conf" << CONF
ClusterName=try
SlurmctldHost=$(hostname)
SlurmUser=root
AuthType=auth/munge
# A requeued job waits until its old credential has expired. The default is two minutes.
AuthInfo=cred_expire=10
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/%n
SlurmctldPidFile=$state/controller.pid
SlurmdPidFile=$state/%n.pid
SlurmctldLogFile=$state/controller.log
SlurmdLogFile=$state/%n.log
# Processes are found by their parents, so no control groups are needed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# Seconds until a silent node is lost, and between SIGTERM and SIGKILL at the time limit.
SlurmdTimeout=20
KillWait=30
ReturnToService=2
MinJobAge=3600
# Two nodes on one machine, which may have fewer CPUs than they claim.
SlurmdParameters=config_overrides
NodeName=node1 NodeHostname=$(hostname) Port=17001 CPUs=2 RealMemory=2000
NodeName=node2 NodeHostname=$(hostname) Port=17002 CPUs=2 RealMemory=2000
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
CONF
}

start_node() {
    slurmd -N "$1"
}

# The processes of a node: its daemon, and of each job the script, the daemon above it and the programs below it.
processes_of() {
    cat "$state/$1.pid" 2> /dev/null || true
    for script in $(pgrep -f "$state/$1/job"); do
        ps -o ppid= -p "$script"
        echo "$script"
        pgrep -P "$script" || true
    done
}

kill_node() {
    processes_of "$1" | xargs --no-run-if-empty kill -KILL 2> /dev/null || true
    rm -f "$state/$1.pid"
}

case "${1:-}" in
start)
    if [ -n "${2:-}" ]; then
        start_node "$2"
        exit
    fi
    configure
    pgrep -x munged > /dev/null || { mkdir -p /run/munge && chown munge: /run/munge && runuser -u munge -- munged; }
    slurmctld
    for node in $nodes; do start_node "$node"; done
    ;;
kill) kill_node "${2:?name a node}" ;;
stop)
    scancel --user="$(id -un)" 2> /dev/null || true
    for node in $nodes; do kill_node "$node"; done
    [ ! -e "$state/controller.pid" ] || kill "$(cat "$state/controller.pid")"
    ;;
status) sinfo --Node --long && squeue ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
