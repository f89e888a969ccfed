### Titles, captions and text alternatives of the charts.

axis-logarithmic = The axis is logarithmic.

chart-start-up = Start-up: request to first output
chart-start-up-alternative = Start-up times per runtime on a logarithmic axis. { $said }
chart-start-up-caption = Above: the share of trials that had started by that time; the further left a curve, the faster. Below: each dot is one trial, the bar and the number are the median. The axis is logarithmic: equal distances are equal factors.
chart-start-up-thinned = Of many trials, evenly spaced quantiles are shown, the extremes included.

chart-memory-caption = Peak PSS, and after it in the palest shade the kernel memory charged to its cgroup, where it has one. For a virtual machine PSS falls in two: guest memory that was touched (not the amount it was given), and what the VMM needs itself.
part-guest-touched = guest touched
part-vmm = VMM
part-pss = PSS
part-kernel = kernel
chart-memory-given = given { $size }

chart-computing = Computing: time for the same work
chart-work = Memory and system calls: time for the same work
chart-work-alternative = { $title }, relative to process, per workload. { $said }
chart-work-caption = Relative to process = 1; further right is slower. Whiskers are 95 % intervals, the grey band is the noise floor: what process differs by from itself.
chart-see-table = The table below has the numbers.

chart-exits-alternative = VM exits of one trial by reason. { $most }.
chart-exits-caption = Each exit leaves the guest for the host, as a system call leaves a program for the kernel. What the workload asks of its own guest kernel does not appear here: it never reaches the host.
chart-time-in-vmm = Time in the VMM
