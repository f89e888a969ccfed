//! A hostile driver of the console, with endless input.
#![no_main]

mod hostile_driver;

use std::fs::File;

use hostile_driver::{Act, play, serve};
use isobench::runtime::virtio::console::Console;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|acts: Vec<Act>| {
    let null = || File::options().write(true).open("/dev/null").expect("the null device").into();
    let new = || Console::new([File::open("/dev/zero").expect("the zero device").into(), null(), null()]);
    let (mut device, memory) = play(&acts, new, |device, _| {
        device.with(|console, queues, memory| console.pass_input(queues, memory)).map(|_| ())
    });
    // Output of the port for standard output.
    serve(&mut device, &memory, 5, &[(0x8000, 100, false)]);
});
