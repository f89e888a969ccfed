### The tables of the report.

column-runtime = Runtime
column-workload = Workload
column-trials = Trials
column-reason = Reason
column-why = Why
column-fix = How to mend it
column-remark = Remark
column-fact = Fact
column-here = Here
column-phase = Phase
column-begins = Begins
column-takes = Takes
column-time = Time
column-each = Each
column-start-up = Start-up
column-memory = Memory
column-computing = Computing
column-teardown = Teardown
column-first-output = First output
column-p95 = 95 % quantile
column-min-max = Min–max
column-entered = Entered
column-cpu = CPU
column-waited = Waited
column-pss-peak = PSS peak
column-pss-steady = PSS steady
column-cgroup-peak = Cgroup peak
column-cgroup-kernel = of it kernel
column-guest-touched = Guest touched
column-guest-given = Guest given
column-vmm-own = VMM own
column-above-process = Above process
column-exits = Exits
column-vm-exits = VM exits
column-host-calls = Calls to the host kernel
column-guest-calls = Calls to the guest kernel
column-per-second = Into the host, per second

baseline = baseline
noise-floor = noise floor
process-again = process again
no-interval = n = { $count }, no interval
while-sampled = while being sampled
some-of = { $some } of { $all }
time-for-one = { $time } a { $unit }
not-known = not known
none = none

table-headline = What isolation costs
table-headline-note = Medians with 95 % intervals. Start-up: request to first output of the workload { $workload }. Memory: peak PSS and kernel memory beyond process. Computing: time for the same CPU-bound work. Teardown: exit of the workload until nothing of the sandbox is left. N×: relative to process, paired by round.

table-start-up = Start-up, in detail
table-start-up-note = First output: the first byte of standard output reaches the harness. Entered: first instruction of the workload. CPU: host CPU time of all its processes; waited: wall time less CPU time, until teardown is done.

table-phases = Phases of the median trial
table-phases-note = From the request; phases that run side by side overlap.
milestone-entered = entered
milestone-first-output = first output
milestone-exited = exited
milestone-torn-down = torn down

table-memory = Host memory of one sandbox
table-memory-note = No single column is the truth: PSS (private memory plus a share of what is shared) misses the kernel, a cgroup misses network namespaces and some page tables and charges shared pages to whoever touched them first. The host's own view needs many sandboxes at once, and so an experiment of its own.

table-work = Time for the same work
table-work-note = By the workload's own clock, so without start-up. N×: relative to process, paired by round; above 1 is slower.

table-exits = VM exits by reason
table-exits-note = One trial of { $workload }, medians. Time: spent by the VMM in handling them.

table-crossings = Crossings of the isolation boundary
table-crossings-note = Per trial, medians. A process and a container cross into the host's kernel at every system call; a virtual machine's calls end in its own kernel, and only its exits reach the host.
missing-calls = Calls that the guest kernel lacks: { $calls }.

table-failures = Failed trials
table-failures-note = No figure above rests on them. A cell with a wrong or an impossible result is invalid: it shows no figure at all.

table-skipped = Runtimes that took no part

table-notes = Steps left out or not possible here

table-host = Host
fact-cpu = CPU
fact-cpus = Logical CPUs
fact-governor = Frequency governor
fact-memory = Memory
fact-swap = Swap in use
fact-kernel = Kernel
fact-distribution = Distribution
fact-bare-metal = Bare metal
fact-kvm = KVM
fact-cgroups = Cgroups
fact-load = Load at the start
fact-rights = Rights
smt-on = SMT on
smt-off = SMT off
kvm-kind-software = software
kvm-kind-hardware = hardware
kvm-kind-nested = nested
bare-metal-yes = yes
bare-metal-no = no, under { $hypervisor }
rights-root = root
rights-user = unprivileged user
