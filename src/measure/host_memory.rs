//! The memory of the whole host, from `/proc/meminfo` (Documentation/filesystems/proc.rst).

use std::{fs, io};

use serde::{Deserialize, Serialize};

/// One reading, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMemory {
    /// `MemAvailable`: what programs can still have without swapping, by the kernel's own estimate.
    pub available_bytes: u64,
    /// `AnonPages`: memory of processes that no file backs.
    pub anonymous_bytes: u64,
    /// `Shmem`: shared memory and tmpfs.
    pub shared_bytes: u64,
    /// `Slab`: objects of the kernel, those included that it could give back.
    pub slab_bytes: u64,
    /// `PageTables`, of processes, and `SecPageTables`, of KVM.
    pub page_table_bytes: u64,
    /// `KernelStack`.
    pub kernel_stack_bytes: u64,
    /// `Percpu`: what the kernel keeps once for every CPU, cgroups and namespaces above all.
    pub per_cpu_bytes: u64,
}

impl HostMemory {
    /// Reads it.
    ///
    /// # Errors
    /// When `/proc` is not mounted, or tells no `MemAvailable` (Linux before 3.14).
    pub fn read() -> io::Result<HostMemory> {
        HostMemory::parse(&fs::read_to_string("/proc/meminfo")?)
            .ok_or_else(|| io::Error::other("/proc/meminfo tells no MemAvailable"))
    }

    fn parse(text: &str) -> Option<HostMemory> {
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        let or_nothing = |name| bytes(name).unwrap_or(0);
        Some(HostMemory {
            available_bytes: bytes("MemAvailable")?,
            anonymous_bytes: or_nothing("AnonPages"),
            shared_bytes: or_nothing("Shmem"),
            slab_bytes: or_nothing("Slab"),
            page_table_bytes: or_nothing("PageTables").saturating_add(or_nothing("SecPageTables")),
            kernel_stack_bytes: or_nothing("KernelStack"),
            per_cpu_bytes: or_nothing("Percpu"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_memory() {
        let memory = HostMemory::read().unwrap();
        assert!(memory.available_bytes > 1 << 20 && memory.slab_bytes > 0 && memory.page_table_bytes > 0);
    }

    #[test]
    fn names_are_taken_whole() {
        let text = "MemAvailable:    100 kB\nSlab:  7 kB\nSReclaimable: 5 kB\nPageTables: 2 kB\nSecPageTables:   1 kB\n";
        let memory = HostMemory::parse(text).unwrap();
        assert_eq!(
            (memory.available_bytes, memory.slab_bytes, memory.page_table_bytes),
            (102_400, 7168, 3072)
        );
        assert_eq!(HostMemory::parse("MemFree: 3 kB\n"), None);
    }
}
