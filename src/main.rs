//! Entry point of the command line; everything else is in the library.

fn main() -> std::process::ExitCode {
    isobench::cli::main()
}
