### The table "in one minute".

minute-title = In one minute
minute-aspect = In this run
minute-container = Container
minute-virtual-machine = Virtual machine
minute-not-measured = not measured in this run
minute-measure = run { $command }
minute-raw = raw trials
minute-again = again:
minute-why = evidence and command

minute-isolation = Isolation
minute-portability = Portability
minute-resources = Resource use
minute-level = Virtualisation level
minute-boot = Boot time
minute-maintenance = Management and maintenance

minute-calls-host = { $calls } system calls reached the host’s kernel
minute-one-kernel = all that { $workload } made; it shares the host’s kernel, { $kernel }
minute-calls-guest = { $calls } system calls ended in its own kernel
minute-exits = { $exits } exits to the host, for all of { $workload }

minute-same-file = { $well } of { $all } workloads ran right, from the same file byte for byte
minute-needs-linux = on the host’s own kernel, { $kernel }
minute-needs-kvm = needs KVM, here { $backend }
minute-needs-unknown-kvm = needs KVM, here of an unknown kind

minute-memory = { $size } of memory more than a process
minute-memory-alike = { $size } of memory: no measurable difference to a process
minute-computing = computing { $said }
minute-memory-container-reason = The kernel’s objects for namespaces, mounts and the cgroup, and a first process that reaps.
minute-memory-vm-reason = The guest touched { $guest } for its own kernel, page tables and program: that is structural. Its monitor needs { $own } itself: that is the implementation’s.

minute-level-system = Operating system: the host’s kernel is divided
minute-level-hardware = Hardware: a virtual CPU and memory, by { $backend }
minute-steps = { $count } steps to build, none of them a machine
minute-guest-memory = { $given } of memory given, { $touched } touched

minute-times-process = { $ratio } a process
minute-interval = 95 %: { $range }
minute-boot-container-reason = Of the median trial, { $structural } make namespaces, mounts and filters or load the program: structural. { $own } are the way this tool does it; { $rest } are in no known phase (waiting, output).
minute-boot-vm-reason = Of the median trial, { $structural } make and run a machine of its own: structural. { $own } are the way this tool does it; { $rest } are in no known phase (waiting, output).

cost-structural = structural
cost-implementation = implementation
cost-structural-share = structural ({ $percent } %)
cost-implementation-share = implementation ({ $percent } %)
cost-legend-structural = follows from the isolation itself
cost-legend-implementation = a better tool could remove it
