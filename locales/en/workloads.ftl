### What each built-in workload does, in one clause.

workload-noop = prints one line and exits
workload-int = interprets a small random program
    .explains = Nothing should: the instructions run on the same CPU, and no boundary is crossed. What differs beyond the noise floor comes from time slices and caches.
workload-float = multiplies matrices with SIMD
    .explains = Nothing should: SIMD instructions run natively in a guest too.
workload-sha256 = hashes bytes with SHA-256
    .explains = Nothing should: pure computing on a buffer that is touched once.
workload-compress = compresses and restores text (LZ4)
    .explains = Nothing should beyond first touches: computing on a buffer of some megabytes.
workload-sort = sorts random numbers
    .explains = Little: memory is touched once, then computing and caches decide.
workload-stream = copies, scales and adds large arrays: memory bandwidth
    .explains = Nested paging: each miss of the TLB walks two page tables. Large arrays also pay their first touch.
workload-chase = follows a random chain through memory: latency
    .explains = Nested paging: nearly every step misses the TLB, and each miss walks two page tables.
workload-touch = touches fresh pages of memory
    .explains = Nested paging: each fresh page faults twice in a VM, once in the guest’s page table and once in the host’s. A container faults once, like a process.
workload-syscall = makes null system calls
    .explains = Crossings: a container’s call goes to the host’s kernel through its seccomp filter; a guest’s ends in its own kernel, and no exit happens. A software KVM emulates the switch, which is slow.
workload-clock = reads the clock
    .explains = Where there is a vDSO the clock is read without any call. A guest without one makes a call to its own kernel.
workload-files = creates, writes, reads and deletes small files
    .explains = Crossings and file systems: a container uses the host’s kernel; the guest’s files live in its own memory, and only copies of many bytes exit.
workload-probe = tells what can be seen from inside
workload-serve = answers each line of its input
