//! Linux' command line in a guest.

use guest_abi::linux;
use linux_loader::cmdline::Cmdline;

use super::layout::COMMAND_LINE_BYTES;

/// What every guest is told, and why (Linux Documentation/admin-guide/kernel-parameters.txt).
const ALWAYS: [&str; 11] = [
    "console=ttyS0",
    // Every byte on the serial port is two exits: only a panic is worth that. The log is read at the end where
    // it is wanted.
    "quiet",
    "loglevel=1",
    // A panic restarts at once, and only such a restart is a warm one: so the VMM can tell.
    "panic=-1",
    "reboot=panic_warm,a",
    // No buses and ports to search for devices that are not there.
    "pci=off",
    "8250.nr_uarts=1",
    "i8042.noaux",
    "i8042.nokbd",
    // The seed is ours, and the processor's instruction is as good as the host's.
    "random.trust_cpu=on",
    // Nothing frees the initramfs, which would mean writing to every page of it.
    "retain_initrd",
];

/// The whole line.
pub fn command_line(known_address: bool) -> Result<String, String> {
    let mut line = Cmdline::new(COMMAND_LINE_BYTES).map_err(|error| error.to_string())?;
    let mut insert = |word: &str| line.insert_str(word).map_err(|error| error.to_string());
    for word in ALWAYS {
        insert(word)?;
    }
    insert(&format!("rdinit={}", linux::INIT))?;
    if known_address {
        // The VMM waits for the kernel's first instruction behind the decompressor.
        insert("nokaslr")?;
    }
    line.as_cstring().map(|line| line.to_string_lossy().into_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_can_be_told_from_a_restart() {
        let line = command_line(true).unwrap();
        assert!(line.contains("panic=-1 reboot=panic_warm,a ") && line.ends_with(" nokaslr"), "{line}");
        assert!(!command_line(false).unwrap().contains("nokaslr"));
    }
}
