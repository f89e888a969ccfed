//! What the compiler expects of a program without a standard library, besides `bytes.rs`.

use core::panic::PanicInfo;

use crate::sys;
use crate::text::Text;

/// Says where and why, without `core::fmt`, which would be larger than most workloads.
#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let mut text = Text::<256>::new();
    text.push("panic: ").push(info.message().as_str().unwrap_or("a check failed"));
    if let Some(location) = info.location() {
        text.push(" at ").push(location.file()).push(":").decimal(location.line().into());
    }
    text.push("\n");
    sys::write(sys::STDERR, text.as_bytes());
    sys::exit(101)
}

/// Named by precompiled parts of `core`; never called, since a panic ends the program.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
