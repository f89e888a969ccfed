use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use super::super::testing::*;
use super::*;

struct Streams {
    stdin: Option<File>,
    stdout: File,
    stderr: File,
}

fn console() -> (Driver<Console>, Streams) {
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let ((stdin, write_stdin), (read_stdout, stdout), (read_stderr, stderr)) = (pipe(), pipe(), pipe());
    let streams = Streams {
        stdin: Some(File::from(write_stdin)),
        stdout: File::from(read_stdout),
        stderr: File::from(read_stderr),
    };
    (Driver::ready(Console::new([stdin, stdout, stderr])), streams)
}

fn message(port: u32, event: u16, value: u16) -> Vec<u8> {
    [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat()
}

fn say(driver: &mut Driver<Console>, port: u32, event: u16, value: u16) {
    driver.exchange(CONTROL_OUT as u32, &[Piece::Out(&message(port, event, value))]);
}

/// What the device says next.
fn hear(driver: &mut Driver<Console>) -> Vec<u8> {
    driver.exchange(CONTROL_IN as u32, &[Piece::In(64)])
}

/// As Linux does it when its driver is loaded, and an init that opens all ports.
fn open_ports(driver: &mut Driver<Console>) {
    say(driver, 0, event::DEVICE_READY, 1);
    for port in 0..3 {
        assert_eq!(hear(driver), message(port, event::PORT_ADD, 1));
    }
    for port in 0..3 {
        say(driver, port, event::PORT_READY, 1);
        let name = [message(port, event::PORT_NAME, 1), NAMES[port as usize].into()].concat();
        assert_eq!(hear(driver), name);
        assert_eq!(hear(driver), message(port, event::PORT_OPEN, 1));
        say(driver, port, event::PORT_OPEN, 1);
    }
}

fn pass_input(driver: &mut Driver<Console>) -> Input {
    driver.transport.with(|console, queues, memory| console.pass_input(queues, memory)).unwrap().unwrap()
}

/// The queue for output of a port.
const fn output(port: u32) -> u32 {
    if port == 0 { 1 } else { 3 + 2 * port }
}

#[test]
fn output_goes_to_the_stream_of_its_port() {
    let (mut driver, mut streams) = console();
    open_ports(&mut driver);
    driver.exchange(output(1), &[Piece::Out(b"to "), Piece::Out(b"stdout")]);
    driver.exchange(output(2), &[Piece::Out(b"to stderr")]);
    driver.exchange(output(0), &[Piece::Out(b"to nowhere")]);
    let mut bytes = [0; 64];
    let count = streams.stdout.read(&mut bytes).unwrap();
    assert_eq!(&bytes[..count], b"to stdout");
    let count = streams.stderr.read(&mut bytes).unwrap();
    assert_eq!(&bytes[..count], b"to stderr");
}

#[test]
fn input_goes_to_the_guest_until_it_ends() {
    let (mut driver, mut streams) = console();
    let wants = |driver: &mut Driver<Console>| {
        driver.transport.with(|console, queues, memory| console.wants_input(queues, memory)).unwrap().unwrap()
    };
    assert!(!wants(&mut driver), "the port is not open");
    open_ports(&mut driver);
    assert!(!wants(&mut driver), "there is no buffer");
    assert_eq!(pass_input(&mut driver), Input::NoRoom);
    let first = driver.put(INPUT as u32, &[Piece::In(4)])[0];
    assert!(wants(&mut driver));
    streams.stdin.as_mut().unwrap().write_all(b"hello!").unwrap();
    streams.stdin = None;
    assert_eq!(pass_input(&mut driver), Input::Passed);
    let second = driver.put(INPUT as u32, &[Piece::In(4)])[0];
    assert_eq!(pass_input(&mut driver), Input::Passed);
    for (address, text) in [(first, &b"hell"[..]), (second, &b"o!"[..])] {
        let mut bytes = vec![0; text.len()];
        vm_memory::Bytes::read_slice(&driver.memory, &mut bytes, vm_memory::GuestAddress(address)).unwrap();
        assert_eq!(bytes, text);
    }
    driver.put(INPUT as u32, &[Piece::In(4)]);
    assert_eq!(pass_input(&mut driver), Input::Ended);
    assert_eq!(hear(&mut driver), message(0, event::PORT_OPEN, 0));
    assert!(!wants(&mut driver));
}

#[test]
fn a_stream_that_nobody_reads_any_more_closes_its_port() {
    let (mut driver, streams) = console();
    open_ports(&mut driver);
    drop(streams);
    // Rust's tests ignore SIGPIPE, as the VMM does.
    driver.exchange(output(1), &[Piece::Out(b"lost")]);
    assert_eq!(hear(&mut driver), message(1, event::PORT_OPEN, 0));
    driver.exchange(output(1), &[Piece::Out(b"lost too")]);
}

#[test]
fn a_driver_that_knows_of_one_port_only_has_input_and_output() {
    let (mut driver, mut streams) = console();
    driver.set_up(!MULTIPORT);
    driver.exchange(1, &[Piece::Out(b"out")]);
    let mut bytes = [0; 3];
    streams.stdout.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"out");
    driver.put(INPUT as u32, &[Piece::In(4)]);
    streams.stdin.as_mut().unwrap().write_all(b"in").unwrap();
    assert_eq!(pass_input(&mut driver), Input::Passed);
}

#[test]
fn asking_again_and_again_costs_nothing() {
    let (mut driver, _streams) = console();
    for _ in 0..10_000 {
        say(&mut driver, 0, event::DEVICE_READY, 1);
        say(&mut driver, 2, event::PORT_READY, 1);
        say(&mut driver, 77, event::PORT_READY, 1);
        say(&mut driver, 1, 999, 1);
    }
    let mut messages = 0;
    for _ in 0..10 {
        driver.put(CONTROL_IN as u32, &[Piece::In(64)]);
        driver.notify(CONTROL_IN as u32).unwrap();
        messages = driver.used(CONTROL_IN as u32);
    }
    assert_eq!(messages, 5, "three ports, a name and that it is open");
}

#[test]
fn messages_too_short_to_be_one_break_the_rules() {
    let (mut driver, _streams) = console();
    driver.put(CONTROL_OUT as u32, &[Piece::Out(b"short")]);
    assert_eq!(driver.notify(CONTROL_OUT as u32), Err(Broken::TooShort(5)));

    let (mut driver, _streams) = console();
    driver.put(CONTROL_IN as u32, &[Piece::In(7)]);
    driver.put(CONTROL_OUT as u32, &[Piece::Out(&message(0, event::DEVICE_READY, 1))]);
    assert_eq!(driver.notify(CONTROL_OUT as u32), Err(Broken::TooShort(7)));

    let (mut driver, mut streams) = console();
    open_ports(&mut driver);
    streams.stdin.as_mut().unwrap().write_all(b"in").unwrap();
    driver.put(INPUT as u32, &[Piece::Out(b"no room")]);
    let passed = driver.transport.with(|console, queues, memory| console.pass_input(queues, memory));
    assert_eq!(passed, Err(Broken::TooShort(0)));
}

#[test]
fn a_clone_has_streams_of_its_own() {
    let (mut driver, mut streams) = console();
    open_ports(&mut driver);
    streams.stdin = None;
    driver.put(INPUT as u32, &[Piece::In(4)]);
    assert_eq!(pass_input(&mut driver), Input::Ended);
    assert_eq!(hear(&mut driver), message(0, event::PORT_OPEN, 0));

    let (mut other, mut streams) = console();
    let state = serde_json::to_string(&driver.transport.state()).unwrap();
    std::mem::swap(&mut other.memory, &mut driver.memory);
    let streams_of_other: [OwnedFd; 3] = {
        let (stdin, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let (read, stdout) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        streams.stdin = Some(File::from(write));
        streams.stdout = File::from(read);
        [stdin, stdout, File::options().write(true).open("/dev/null").unwrap().into()]
    };
    let mut transport = super::super::transport::Transport::new(
        Console::new(streams_of_other),
        other.memory.clone(),
        Box::new(other.interrupts.clone()),
    );
    transport.restore(serde_json::from_str(&state).unwrap()).unwrap();
    other.transport = transport;
    assert_eq!(hear(&mut other), message(0, event::PORT_OPEN, 1));
    other.exchange(output(1), &[Piece::Out(b"from the clone")]);
    let mut bytes = [0; 14];
    streams.stdout.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"from the clone");
}
