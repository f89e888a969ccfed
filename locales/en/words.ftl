### The numbers in plain words.

list-and = { $first } and { $last }

host-line-cpus = { $count ->
    [one] 1 CPU
   *[other] { $count } CPUs
}
host-line-virtual = virtual machine ({ $hypervisor })
host-line-kvm = KVM by { $backend }
host-line-software-kvm = KVM by { $backend } (software)
host-line-no-kvm = no KVM

run-line-trials = { $count ->
    [one] 1 trial in { $duration }
   *[other] { $count } trials in { $duration }
}

kvm-unknown = The KVM backend of this host is not known, so these numbers may not be what hardware KVM gives.
kvm-software-nested = Measured on { $backend }, a software KVM backend without VT-x or SVM, on a host that is itself a virtual machine: hardware KVM on bare metal gives other numbers.
kvm-software = Measured on { $backend }, a software KVM backend without VT-x or SVM: hardware KVM gives other numbers.
kvm-nested = Measured on nested KVM ({ $backend } inside a virtual machine): bare metal gives other numbers.

method-rounds = Every round runs each runtime with each workload once, in random order; the same program file, byte for byte, runs in all of them.
method-clock = All times are on the host's CLOCK_MONOTONIC and count from the request. Start-up ends when the first byte of the workload's output reaches the harness, which can be seen from outside alike for every runtime.
method-intervals = Medians bear 95 % intervals between order statistics (binomial), interpolated as Hettmansperger and Sheather do, which need no assumption about the distribution; below 6 trials there is none. N× is the median over rounds of the ratio within a round, so what slows a whole round down cancels; it can differ a little from the quotient of two medians.
method-control = process runs a second time under another name. What the two differ by is the noise floor, and a difference inside it, or one whose interval holds 1, is called no measurable difference. No trial is dropped as an outlier.

verdict-slower = slower
verdict-faster = faster
verdict-none = no measurable difference
verdict-too-few = too few rounds to tell

longest-phase = The longest phase of { $runtime } is { $phase } ({ $duration }, { $percent } % of its start-up).

start-up-missing = No start-up was measured.
start-up-only-process = A plain process starts in { $process }; no other runtime was measured.
start-up-without-process = From request to first output, { $others }.
start-up-said = A plain process starts in { $process }, { $others }.
start-up-clause = { $runtime } in { $time }
start-up-clause-ratio = { $runtime } in { $time } ({ $ratio })
start-up-clause-alike = { $runtime } in { $time } (no measurable difference)

sureness-none = There are too few trials to say how sure that is.
sureness-rough = The times scatter widely here: take them as orders of magnitude.
sureness-within = Each of these medians is good to within { $percent } %.

computing-missing = The cost of computing inside was not measured.
computing-said = For the same computing work as a plain process does, { $clauses }.
computing-clause-more = { $runtime } takes { $percent } % more time
computing-clause-less = { $runtime } takes { $percent } % less time
computing-clause-alike = there is no measurable difference for { $runtimes }
computing-clause-unsure = too few rounds were run to judge { $runtimes }

memory-missing = The memory that isolation costs was not measured.
memory-all-alike = In memory of the host there is no measurable difference for { $runtimes }.
memory-said = Of memory on the host, against a plain process, { $clauses }.
memory-said-and-alike = Of memory on the host, against a plain process, { $clauses }; there is no measurable difference for { $runtimes }.
memory-clause-more = { $runtime } takes { $size } more
memory-clause-less = { $runtime } takes { $size } less
