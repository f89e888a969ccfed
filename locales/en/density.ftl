### What isobench density has measured.

density-title = How many sandboxes fit on this machine
density-facts = { $workload } in every sandbox · took { $time }

density-ended-planned = as many as asked for
density-ended-interrupted = you stopped it
density-ended-launch-failed = the next one could not be started: { $reason }
density-ended-limit-memory = memory came first: { $name } has { $free } left, of which { $reserve } stay free
density-ended-limit-files = open files came first: { $name } has { $free } left, of which { $reserve } stay free
density-ended-limit-processes = processes came first: { $name } has { $free } left, of which { $reserve } stay free
density-silent = it prints nothing while it waits: start-up is request → first instruction
density-bad-ends = { $number } of them did not end well, the first with { $how }

density-alive = Alive at once
density-alive-note = Start-up is request → first output, the median of the first and of the last tenth of the starts. Host memory is the fall of MemAvailable from the first to the last sandbox ÷ their number; its slope is the median over blocks of starts, with its 95 % interval.
density-column-why = Why no more
density-column-alive = Alive
density-column-first = Start-up, first
density-column-last = Start-up, last
density-column-host = Host memory of one
density-column-teardown = Torn down in
density-growth = { $ratio } the first
density-slope = slope { $size }

density-memory = Memory of one sandbox, by how many are alive
density-memory-note = Each column hides something. The host's view: fall of MemAvailable ÷ number. PSS: mean over a few of them, each page divided by its users, so it falls as more share it; it knows nothing of the kernel. Kernel: growth of slab, page tables, kernel stacks and per-CPU memory of the whole host ÷ number. Cgroup: what was charged to one's own at its end, kernel part and peak; what is no container is put into one only where memory is looked at, after its start.
density-column-host-view = Host's view
density-column-pss = PSS
density-column-kernel = Kernel
density-column-cgroup-kernel = Cgroup, kernel
density-column-cgroup-peak = Cgroup, peak

density-rates = Creation rate
density-rates-note = Each starter makes a sandbox, reads its output, waits until nothing of it is left, and makes the next one. At once: throughput × mean latency, which by Little's law is how many existed on average; it cannot be more than there are starters, and what it lacks of that is the starters' own work between two sandboxes. A row that breaks the law is invalid.
density-column-starters = Starters
density-column-per-second = Per second
density-column-latency = Latency
density-column-latency-95 = 95 % within
density-column-output = First output
density-column-existing = At once
density-column-busy = CPUs busy
density-column-failed = Failed
density-impossible = invalid: against Little's law
density-existing = { $existing } of { $starters }

density-skipped = Took no part
density-column-fix = What mends it

density-said-alive = { $count } alive at once
density-said-alive-memory = { $count } alive at once, { $size } of host memory each
density-said-start-up = started in { $first } at first and { $last } at last
density-said-rate = { $starters ->
    [one] { $rate } made and removed in a second by one starter
   *[other] { $rate } made and removed in a second by { $starters } starters
}

density-chart-alive = sandboxes alive
density-chart-start-up = Start-up, while others live
density-chart-start-up-alternative = Start-up against the number of sandboxes alive
density-chart-start-up-axis = request → first output
density-chart-start-up-caption = Each dot is one start, the line the median of some neighbours; the vertical axis is logarithmic. A flat line says that living neighbours cost a new one nothing.
density-chart-memory = Host memory, as sandboxes are added
density-chart-memory-alternative = Host memory taken against the number of sandboxes alive
density-chart-memory-axis = host memory taken
density-chart-memory-caption = Fall of the host's MemAvailable since before the first sandbox. The slope is what one more costs, kernel memory included; what other programs of the host took or gave back meanwhile is in it too.
density-chart-rate = Creation rate
density-chart-rate-alternative = Creation rate against the number of parallel starters
density-chart-rate-axis = made and removed in a second
density-chart-starters = parallel starters
density-chart-rate-caption = Sandboxes made, run to their output and removed in a second, on a logarithmic axis. It stops rising where the CPUs are busy, or where the kernel makes them wait for each other.
