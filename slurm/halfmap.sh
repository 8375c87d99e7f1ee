# Sourced by the templates beside it: a job of Slurm, from its nodes to a finished run.
#
# These variables count; none need be set:
#
#   HALFMAP_HOME      checkout of halfmap (else: the folder you submit from)
#   HALFMAP_VENV      its virtual environment (else: $HALFMAP_HOME/.venv, if it is there; without
#                     one, `halfmap` has to be on the PATH: a module, a container)
#   HALFMAP_PROGRAM   what halfmap is called (else: halfmap), such as
#                     'apptainer run --bind /scratch /software/halfmap.sif'
#   HALFMAP_LAUNCHER  what starts the ranks, with its options:
#       Open MPI:                mpirun (the default), or 'srun --mpi=pmix'
#       MPICH, Intel MPI, ...:   'srun --mpi=pmi2'
#   HALFMAP_SCRATCH   folder on a local disc of each node, to which images are copied (else: the
#                     job's own SLURM_TMPDIR where the cluster makes one; empty: no copies)
#   HALFMAP_REQUEUE   yes: when Slurm warns that the time is up, or that the nodes are wanted by
#                     others, checkpoint and queue again; no: checkpoint and end with code 75
#   HALFMAP_ATTEMPTS  how often to start the ranks without any progress in between, also when the
#                     job is queued again in between (else: 3)
#   HALFMAP_SECONDS_TO_ANSWER  how long a node may take to start halfmap before it is left out, which
#                     takes a while where Python comes from a busy disc (else: 60)
#
# The ranks are started again, on the nodes that start halfmap, until the run is over. Whether it is
# over says the file that halfmap writes last, ROOT_finished.txt: exit codes of launchers do not
# tell (Open MPI's mpirun ends with 0 when a node is lost).

set -euo pipefail

ATTEMPTS=${HALFMAP_ATTEMPTS:-3}
SECONDS_TO_ANSWER=${HALFMAP_SECONDS_TO_ANSWER:-60}  # of a node
SECONDS_TO_END=${HALFMAP_SECONDS_TO_END:-30}        # of a launcher, when the run is over
read -ra program <<< "${HALFMAP_PROGRAM:-halfmap}"
launched=     # process id of the launcher
code=1        # with which it has ended
warnings=0    # how many came
warned=       # whether Slurm has asked to stop
old_marker=   # of a run that was over before
starts=()     # how far the run had come at each start, also of this job before it was queued again
good_nodes=() # the nodes that answer, and how many ranks each of them has
good_tasks=()

say() { echo "halfmap.sh: $*" >&2; }

# --- the words for halfmap

value_of() {  # value_of --o WORDS...: what follows an option, the last time it is given
    local option=$1 found=
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            "$option") found=${2:-} ;;
            "$option"=*) found=${1#*=} ;;
        esac
        shift
    done
    echo "$found"
}

words_of_line() {  # words_of_line N FILE: the words of a line, quotes understood, nothing executed
    sed -n "${1}p" "$2" | xargs -r -n 1 printf '%s\n'
}

job_name() {  # of this task, where the number alone may stand for all tasks of an array
    local array=${SLURM_ARRAY_JOB_ID:-}
    [ -z "$array" ] && echo "$SLURM_JOB_ID" || echo "${array}_$SLURM_ARRAY_TASK_ID"
}

job_state() { squeue --noheader --jobs="$(job_name)" --format=%T || true; }

# --- nodes

tasks_of_nodes() {  # the number of ranks of each node of the job: 2(x3),1 is 2 2 2 1
    local part i
    for part in ${SLURM_TASKS_PER_NODE//,/ }; do
        [[ $part =~ ^([0-9]+)(\(x([0-9]+)\))?$ ]]
        for ((i = 0; i < ${BASH_REMATCH[3]:-1}; i++)); do echo "${BASH_REMATCH[1]}"; done
    done
}

# What a node has to do: to have room where Open MPI keeps its files, and to start halfmap.
# shellcheck disable=SC2016  # it is the other shell that replaces the names
trial='file=$(mktemp) && echo room > "$file" && rm "$file" && exec "$@" --version'

ask_node() {  # ask_node NODE: what goes wrong there goes to the log
    timeout "$SECONDS_TO_ANSWER" srun --nodes=1 --ntasks=1 --nodelist="$1" --overlap --mpi=none \
        --input=none --quiet bash -c "$trial" bash "${program[@]}" 2>&1 > /dev/null |
        sed "s/^/halfmap.sh: $1: /" >&2
}

find_good_nodes() {  # ask all nodes at once; leave out those that give no answer, or none that is good
    local nodes tasks i
    local -A asked=()
    mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
    mapfile -t tasks < <(tasks_of_nodes)
    good_nodes=() good_tasks=()
    if [ "${#nodes[@]}" = 1 ]; then  # there is no other: what is wrong will be seen
        good_nodes=("${nodes[@]}") good_tasks=("${tasks[@]}")
        return
    fi
    for i in "${!nodes[@]}"; do
        ask_node "${nodes[i]}" &
        asked[$i]=$!
    done
    for i in "${!nodes[@]}"; do
        if wait_for "${asked[$i]}"; then
            good_nodes+=("${nodes[i]}") good_tasks+=("${tasks[i]}")
        else
            say "node ${nodes[i]} does not start halfmap and is left out"
        fi
    done
}

joined() { local IFS=,; echo "$*"; }

total() { local IFS=+; echo $(($*)); }

# --- the ranks

launcher_words() {  # sets `launcher`: the words that start the ranks on the nodes that answer
    read -ra launcher <<< "${HALFMAP_LAUNCHER:-mpirun}"
    local n threads=${SLURM_CPUS_PER_TASK:-1}
    n=$(total "${good_tasks[@]}")
    case ${launcher[0]##*/} in
        srun)  # it does not take over --cpus-per-task from sbatch
            launcher+=(--nodes="${#good_nodes[@]}" --nodelist="$(joined "${good_nodes[@]}")"
                --ntasks="$n" --cpus-per-task="$threads" --cpu-bind=cores
                --kill-on-bad-exit=1) ;;  # the others would wait for a rank that is lost
        mpirun | mpiexec)
            launcher+=(-n "$n")
            if "${launcher[0]}" --version 2> /dev/null | grep -qi "open.\?mpi\|open.\?rte\|prrte"; then
                launcher+=(--bind-to none)  # else a rank with all its threads gets one core
                if ompi_info 2> /dev/null | grep -q "FT MPI support: yes"; then
                    launcher+=(--with-ft ulfm)  # a lost rank does not end the others
                fi
            fi ;;
    esac
}

start_ranks() {  # start_ranks WORDS...: run halfmap on the nodes that answer; sets `code`
    local launcher
    launcher_words
    code=1
    # mpirun takes the nodes from what Slurm says of the job: say what is left of it.
    SLURM_JOB_NODELIST=$(joined "${good_nodes[@]}") SLURM_NODELIST=$(joined "${good_nodes[@]}") \
        SLURM_JOB_NUM_NODES=${#good_nodes[@]} SLURM_NNODES=${#good_nodes[@]} \
        SLURM_TASKS_PER_NODE=$(joined "${good_tasks[@]}") SLURM_NTASKS=$(total "${good_tasks[@]}") \
        "${launcher[@]}" "${program[@]}" "$@" &
    launched=$!
    [ -z "$warned" ] || kill -s USR1 "$launched"
    end_with_the_run "$launched" &
    local watcher=$!
    wait_for "$launched" && code=0 || code=$?
    launched=
    kill "$watcher" 2> /dev/null || true
}

end_with_the_run() {  # end_with_the_run PID: a launcher may wait for ever for ranks that have ended
    trap - USR1 TERM
    until finished; do sleep 1 &> /dev/null; done
    sleep "$SECONDS_TO_END" &> /dev/null
    say "the run is over, but the launcher does not end: it is ended"
    kill -s TERM "$1"
    sleep 5 &> /dev/null
    kill -s KILL "$1"
}

wait_for() {  # wait_for PID: its exit code, however often a signal comes in between
    local code=0
    local before=$warnings
    wait "$1" || code=$?
    while [ "$before" != "$warnings" ]; do  # it was a signal that ended the waiting
        before=$warnings code=0
        wait "$1" || code=$?
    done
    return "$code"
}

warning() {  # Slurm's signal: the ranks write a checkpoint and end
    warned=yes warnings=$((warnings + 1))
    say "Slurm asks to stop: the ranks write a checkpoint"
    [ -z "$launched" ] || kill -s USR1 "$launched" || true
}

# --- the run

marker() { stat -c '%i %y' "${root}_finished.txt" 2> /dev/null || true; }

finished() {  # the marker is new, or halfmap has found an old one to be right
    local found
    found=$(marker)
    [ -n "$found" ] && { [ "$found" != "$old_marker" ] || [ "$code" = 0 ]; }
}

progress() {  # what the run has written: another text when it has come further
    local parts=${root}_parts mark
    if [ -n "$checkpoints" ]; then  # a folder that other runs may use, too
        mark=$(printf %s "$(realpath -m -- "$root")" | sha256sum)
        parts=$checkpoints/$(basename "$root")_parts_${mark:0:8}
    fi
    find "$(dirname "$root")" -maxdepth 1 -name "$(basename "$root")_it*_optimiser.star" -printf '%f\n' | sort
    # Not what a part is called until it is whole.
    [ ! -d "$parts" ] || find "$parts" -type f ! -name '.*' -printf '%p %s %T@\n' | sort
}

remember_starts() {  # of this job, when Slurm has queued it again; not of an earlier one
    local file=${root}_starts.txt
    if [ "${SLURM_RESTART_COUNT:-0}" != 0 ] && [ -r "$file" ]; then
        mapfile -t starts < "$file"
    else
        rm -f "$file"
    fi
}

note_start() {  # in a file too: Slurm may end this script without a warning
    starts+=("$(progress | cksum)")
    printf '%s\n' "${starts[@]}" 2> /dev/null > "${root}_starts.txt" || true
}

idle_starts() {  # how many starts have brought the run no further than it is
    local here start n=0
    here=$(progress | cksum)
    for start in "${starts[@]}"; do
        [ "$start" != "$here" ] || n=$((n + 1))
    done
    echo "$n"
}

give_up_when_idle() {  # another start would end like those before
    local idle
    idle=$(idle_starts)
    [ "$idle" -ge "$ATTEMPTS" ] || return 0
    if [ -n "$warned" ] || [ "${SLURM_RESTART_COUNT:-0}" != 0 ]; then
        say "the time of a start is too short for any of the work: give the job more (sbatch --time)," \
            "let Slurm's warning come later (sbatch --signal=B:USR1@SECONDS, far fewer than --time" \
            "has), or have checkpoints written more often (--checkpoint_minutes)"
    fi
    say "$idle attempts without progress: given up"
    rm -f "${root}_starts.txt"
    exit 1
}

stop_here() {  # after a warning: queue again, or say how to go on
    give_up_when_idle
    # A job that was cancelled would come back.
    if [ "${HALFMAP_REQUEUE:-no}" = yes ] && [ "$(job_state)" = RUNNING ]; then
        say "queued again; the run goes on from its checkpoint"
        # Slurm ends all that the job runs, this script and scontrol too. Who leaves by itself, with
        # an exit code, makes it a job that has failed.
        trap '' USR1 TERM
        if scontrol requeue "$(job_name)"; then
            while :; do sleep 60; done
        fi
    fi
    say "stopped; the same sbatch line goes on from the checkpoint"
    exit 75
}

run_until_finished() {  # run_until_finished refine WORDS...
    old_marker=$(marker)
    remember_starts
    while :; do
        give_up_when_idle
        note_start
        find_good_nodes
        [ "${#good_nodes[@]}" -gt 0 ] || { say "no node starts halfmap"; exit 1; }
        [ -z "$warned" ] || stop_here
        start_ranks "$@" --resume
        finished && break
        [ -z "$warned" ] || stop_here
        # Launchers know these codes too, so that only the second of them in a row counts.
        if { [ "$code" = 2 ] || [ "$code" = 3 ]; } && [ "$(idle_starts)" -gt 1 ]; then
            say "code $code: halfmap refuses its options or its data, see its message above"
            exit "$code"
        fi
        give_up_when_idle
        say "the ranks ended (code $code) before the run was over; they are started again"
    done
    rm -f "${root}_starts.txt"
    say "the run is over: ${root}_finished.txt"
}

activate() {  # the environment that has halfmap, and one thread for libraries that make their own
    local venv=${HALFMAP_VENV:-${HALFMAP_HOME:-$SLURM_SUBMIT_DIR}/.venv}
    if [ -r "$venv/bin/activate" ]; then
        source "$venv/bin/activate"
    elif ! command -v "${program[0]}" > /dev/null; then
        say "found no ${program[0]}: neither in $venv nor on the PATH. Set HALFMAP_VENV"
        exit 2
    fi
    export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1  # threads are halfmap's own
}

run_job() {  # run_job [PRESET.yaml] OPTIONS...: what every template calls
    root=$(value_of --o "$@")
    checkpoints=$(value_of --checkpoint_dir "$@")
    if [ -z "$root" ]; then
        say "found no --o among the options of halfmap refine, expected the root of the results"
        exit 2
    fi
    trap warning USR1 TERM
    activate
    mkdir -p "$(dirname "$root")"
    local words=(refine "$@") scratch=${HALFMAP_SCRATCH-${SLURM_TMPDIR:-}}
    [ -n "$(value_of --j "$@")" ] || words+=(--j "${SLURM_CPUS_PER_TASK:-1}")
    [ -z "$scratch" ] || words+=(--scratch_dir "$scratch")
    run_until_finished "${words[@]}"
    "${program[@]}" report "$root" || say "no report could be made; the results are complete"
}
