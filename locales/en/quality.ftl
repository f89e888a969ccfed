### How far the numbers can be trusted.

grade = { $grade ->
    [good] good
    [fair] fair
    [poor] poor
   *[other] not known
}

check-load = the load average over the CPUs at the start was { $value }
    .why = Other programs compete for the CPUs, caches and memory bandwidth.
    .mend = Mend: stop them and run again.
check-governor = { $grade ->
    [unknown] the CPU frequency governor is not shown here
   *[other] the CPU frequency governor is { $value }
}
    .why = The clock rises and falls with load, so short work is measured at another frequency than long work.
    .mend = Mend: sudo cpupower frequency-set -g performance
check-turbo = { $grade ->
    [unknown] whether the CPU may exceed its base frequency (turbo) is not shown here
    [good] the CPU keeps to its base frequency
   *[other] the CPU may exceed its base frequency (turbo)
}
    .why = How far it goes depends on its temperature and on how many cores are busy, so figures drift as it warms up.
    .mend = Mend: echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo (elsewhere 0 to cpufreq/boost), or pause with --cool-down.
check-smt = { $grade ->
    [unknown] whether CPUs are threads of shared cores (SMT) is not shown here
    [good] every logical CPU is a core of its own
   *[other] two logical CPUs share a core (SMT)
}
    .why = What runs on a core's other thread takes up to half of its speed.
    .mend = Mend: echo off | sudo tee /sys/devices/system/cpu/smt/control, or --pin to a CPU whose sibling is idle.
check-throttling = { $grade ->
    [unknown] throttling is not counted here
   *[other] the CPU was throttled { $value } times since the host started
}
    .why = A CPU that is too hot, or takes too much power, slows itself down.
    .mend = Mend: better cooling, --cool-down, or fewer busy cores.
check-power = { $grade ->
    [poor] the host runs on its battery
   *[other] the host runs on mains
}
    .why = On battery, firmware and kernel slow the CPU down to save power.
    .mend = Mend: plug it in.
check-swap = { $value } MiB of swap are in use
    .why = Memory figures miss swapped pages, and a page that comes back takes milliseconds.
    .mend = Mend: sudo swapoff -a
check-steal = { $grade ->
    [unknown] stolen CPU time is not counted here
   *[other] { $value } % of the CPU time since the host started was stolen
}
    .why = Stolen is what the hypervisor under this host gave to others while this one had work to do.
    .mend = Mend: another host, or another time.
check-clock = { $grade ->
    [unknown] the kernel's clock source is not shown here
   *[other] the kernel's clock source is { $value }
}
    .why = Every look at a clock that is no register of the CPU takes a microsecond or more.
    .mend = Mend: the kernel's log says why it does not use the TSC (sudo dmesg | grep -i tsc).
check-virtualised = { $grade ->
    [good] this host is bare metal
   *[other] this host is a virtual machine itself ({ $value })
}
    .why = Neighbours can steal CPU time, and a container here is a container inside that virtual machine.
    .mend = For figures of bare metal run on bare metal.
check-container = { $grade ->
    [good] isobench runs in no container
   *[other] isobench itself runs inside a container ({ $value })
}
    .why = That container's limits hold for every sandbox, its file system may be slower, and containers made here are nested.
    .mend = Mend: run isobench on the host itself.
check-kvm = { $grade ->
    [unknown] there is no KVM here
    [good] KVM is { $value } on bare metal
   *[other] KVM is { $value }, a software backend or inside another virtual machine (nested)
}
    .why = What a virtual machine costs is what its exits cost, and these differ by a factor of ten between backends.
    .mend = For the figures of hardware KVM run on bare metal.

during-stolen = { $percent } % of the CPU time was stolen by this host's hypervisor during the run: neighbours slowed it down. Run it again at another time.
during-throttled = The CPU was throttled { $times } times during the run: it was too hot. Mend: --cool-down, better cooling.
during-swapped = The host swapped { $pages } pages during the run: memory was short. Mend: stop other programs.
drift-slower = The host got slower during the run: from round { $round } on, trials took { $percent } % longer. Ratios to process, paired by round, suffer less from that than times.
drift-faster = The host got faster during the run: from round { $round } on, trials took { $percent } % less time. Ratios to process, paired by round, suffer less from that than times.

host-line-container = inside a container ({ $kind })
host-line-mark = for measuring: { $grade }

table-checks = How good this host is for measuring: { $grade }
table-checks-note = The worst grade counts for all.
column-check = What
column-grade = Grade
column-found = Found
column-matters = Why it matters, and how to mend it
check-name = { $name ->
    [load] load
    [governor] governor
    [turbo] turbo
    [smt] SMT
    [throttling] throttling
    [power] power
    [swap] swap
    [steal] stolen time
    [clock] clock
    [virtualised] virtualised
    [container] container
    [kvm] KVM
   *[other] { $name }
}

table-measuring = What measuring itself costs
table-measuring-note = The null runtime is a sandbox that does nothing, observed as every other one: what it shows is in every start-up time. A workload's own clock runs only between its first and last unit of work, while isobench sleeps, so no figure of computing holds any of it.
column-cost = Cost
column-cost-median = Median
measuring-null = null runtime: request to first output
measuring-harness = CPU time of isobench itself, per trial
measuring-share = the same, of the run's whole time

table-trust = How far each figure can be trusted
table-trust-note = Spread: median absolute deviation ÷ median. Outliers by Tukey's fences, mild ÷ severe: counted, never dropped. Detectable: a difference to process of that size would have been found four times of five; a smaller one can hide behind "no measurable difference". Drift: a change of level during the run (Pettitt's test, corrected over all rows by Holm's method, and at least 5 %).
column-figure = Figure
column-spread = Spread
column-outliers = Outliers
column-detectable = Detectable
column-drift = Drift
figure-start-up = start-up
figure-work = time for the work
drift-from = { $change } from trial { $trial } on
detectable-from = ≥ { $percent } %
detectable-detail = { $size } would have shown

table-opinion = Start-up by other methods
table-opinion-note = The same 95 % interval three ways: between order statistics, interpolated (which all other tables use), and by the bootstrap from 2,000 resamples, by percentiles and bias-corrected and accelerated (BCa). Where they differ much, there are too few trials.
column-order = Order statistics
column-percentile = Percentile bootstrap
column-bca = BCa bootstrap

table-cold = Cold starts
table-cold-note-files = Dropped from the page cache before each cold trial: the pages of the program, of the root and files shown in the sandbox, and of a guest's kernel (posix_fadvise); no directory entries, and nothing that somebody maps. Each trial, cold or warm, was prepared anew: that is where a VMM reads its files. Cold ÷ warm: of preparing and start-up together, paired by round.
table-cold-note-host = Dropped before each cold trial: the page cache of the whole host, directory entries and inodes (/proc/sys/vm/drop_caches); nothing that somebody maps, such as isobench itself. Each trial, cold or warm, was prepared anew: that is where a VMM reads its files. Cold ÷ warm: of preparing and start-up together, paired by round.
column-warm = Start-up, warm
column-cold = Start-up, cold
column-prepare-warm = Preparing, warm
column-prepare-cold = Preparing, cold
column-cold-ratio = Cold ÷ warm
column-dropped = Dropped

invalid = invalid
