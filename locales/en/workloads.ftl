### What each built-in workload does, in one clause.

workload-noop = prints one line and exits
workload-int = interprets a small random program
workload-float = multiplies matrices with SIMD
workload-sha256 = hashes bytes with SHA-256
workload-compress = compresses and restores text (LZ4)
workload-sort = sorts random numbers
workload-stream = copies, scales and adds large arrays: memory bandwidth
workload-chase = follows a random chain through memory: latency
workload-touch = touches fresh pages of memory
workload-syscall = makes null system calls
workload-clock = reads the clock
workload-files = creates, writes, reads and deletes small files
workload-probe = tells what can be seen from inside
workload-serve = answers each line of its input
