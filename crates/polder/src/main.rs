//! Polder, a git-backed hub for models and datasets.

fn main() -> std::process::ExitCode {
    polder::main()
}
