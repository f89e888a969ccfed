//! The I/O ports of a Linux guest's machine.

/// First port of the serial console, where every PC has it.
pub const SERIAL: u16 = 0x3f8;
/// Ports that it has.
pub const SERIAL_PORTS: u16 = 8;
/// The keyboard controller's command port, by which old systems restart.
pub const KEYBOARD_COMMAND: u16 = 0x64;
/// The command to it.
pub const KEYBOARD_RESTART: u8 = 0xfe;
/// Chipset's restart register, another way.
pub const CHIPSET_RESET: u16 = 0xcf9;
/// ACPI's sleep control register: ours to choose.
pub const POWER: u16 = 0x600;
/// The value of the state "off" that our tables name.
pub const POWER_OFF_STATE: u8 = 5;
/// `SLP_EN` in the sleep control register, and the position of the state (ACPI 6.5, 4.8.3.7).
pub const SLEEP_ENABLE: u8 = 1 << 5;
/// See [`SLEEP_ENABLE`].
pub const SLEEP_STATE_SHIFT: u8 = 2;
/// ACPI's reset register: ours to choose.
pub const RESET: u16 = 0x601;
