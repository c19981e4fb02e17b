#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod args;
mod commands;
mod config;
mod error;
mod exit;
mod interrupt;
mod output;
mod quantity;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use lyra::errors::{Error, Result};

use args::{Arguments, Command, Format};
use commands::{Context, backup, doctor, gpu, log, memory, tour};
use config::Loaded;
use error::UsageSnafu;
use exit::Exit;
use interrupt::Interrupt;
use output::Output;

fn main() -> ExitCode {
    let interrupt = Interrupt::watch();
    let exit = match Arguments::try_parse() {
        Ok(arguments) => run(arguments, interrupt),
        Err(error) => misused(&error),
    };
    exit.into()
}

fn run(arguments: Arguments, interrupt: Interrupt) -> Exit {
    let Arguments { global, command } = arguments;
    let loaded = match Loaded::load(global.config.as_deref(), |name| std::env::var_os(name)) {
        Ok(loaded) => loaded,
        Err(error) => {
            return failed(Output::new(global.format.unwrap_or_default(), &global), &error);
        }
    };
    let format = global.format.unwrap_or(loaded.config.cli.format);
    let output = Output::new(format, &global);
    let context = Context { loaded, output, interrupt };
    let done =
        log::Own::begin(&context.config().log, command.name(), output).and_then(|own| match own {
            Some(own) => own.tell(|| done(command, &context)),
            None => done(command, &context),
        });
    context.interrupt.give_way();
    done.unwrap_or_else(|error| failed(output, &error))
}

fn done(command: Command, context: &Context) -> Result<Exit> {
    match command {
        Command::Tour(args) => tour::run(args, context),
        Command::Memory(args) => memory::run(args, context),
        Command::Backup(args) => backup::run(args, context),
        Command::Gpu(args) => gpu::run(args, context),
        Command::Log(args) => log::run(args, context),
        Command::Doctor => doctor::run(context),
    }
}

fn failed(output: Output, error: &Error) -> Exit {
    output.failure(error);
    Exit::of(error.code())
}

/// A help text or a usage error, as clap tells it; for machines in the form
/// that all errors have.
fn misused(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // `lyra help | head -1` is no failure.
        let _ = error.print();
        return Exit::Done;
    }
    let configured = std::env::var("LYRA_CLI_FORMAT").is_ok_and(|format| format == "json");
    if configured || asks_for_json(std::env::args_os()) {
        let told = error.to_string();
        // What follows is the usage and where there is help.
        let reason = told.split("\n\nUsage:").next().unwrap_or_default();
        let message = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.trim_start_matches("error: ");
        let error = UsageSnafu { message }.build().into();
        return failed(Output::early(Format::Json), &error);
    }
    let _ = error.print();
    Exit::Usage
}

/// Whether `--format json` stands among arguments that could not be parsed.
fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<_> = arguments.collect();
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}
