//! The scenario program; see the README.
#![deny(unsafe_code)]

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use lyra_gpu_scenarios::arguments::{Arguments, USAGE};
use lyra_gpu_scenarios::hold::hold;
use lyra_gpu_scenarios::report::Broken;
use lyra_gpu_scenarios::rig::Rig;
use lyra_gpu_scenarios::runner::VISIBLE;
use lyra_gpu_scenarios::scenarios::SCENARIOS;
use serde_json::{Value, json};

/// What test programs say that could not be run.
const SKIPPED: u8 = 77;

const MISUSED: u8 = 2;

fn main() -> io::Result<ExitCode> {
    let arguments = match Arguments::read(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(reason) => {
            writeln!(io::stderr(), "{reason}\n{USAGE}")?;
            return Ok(ExitCode::from(MISUSED));
        }
    };
    if arguments.is_holder {
        return hold(arguments.cuda.as_deref()).map(|()| ExitCode::SUCCESS);
    }
    let rig =
        Rig::new(arguments.nvml.clone(), arguments.cuda.clone(), arguments.card, arguments.budget);
    let rig = match rig {
        Ok(rig) => rig,
        Err(reason) => return skipped(&reason),
    };
    // The card that is looked at has to be the first one of CUDA, too, whose
    // numbers are its own. It is said before the driver is loaded here.
    if std::env::var_os(VISIBLE).is_none_or(|visible| visible != *rig.uuid) {
        return again(&rig.uuid);
    }
    play(&arguments, &Arc::new(rig))
}

#[tokio::main]
async fn play(arguments: &Arguments, rig: &Arc<Rig>) -> io::Result<ExitCode> {
    let (start, mut failed) = (Instant::now(), 0_u64);
    for scenario in SCENARIOS.iter().filter(|scenario| arguments.asks_for(scenario.name)) {
        let (line, is_good) = scenario.play(rig).await;
        say(&line)?;
        failed += u64::from(!is_good);
    }
    let verdict = if failed == 0 { "ok" } else { "failed" };
    let seconds = start.elapsed().as_secs_f64().round();
    say(&json!({ "scenario": "all", "verdict": verdict, "failed": failed, "seconds": seconds }))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Becomes this program once more.
fn again(uuid: &str) -> io::Result<ExitCode> {
    let mut program = Command::new(std::env::current_exe()?);
    Err(program.args(std::env::args_os().skip(1)).env(VISIBLE, uuid).exec())
}

fn skipped(reason: &Broken) -> io::Result<ExitCode> {
    say(&json!({ "scenario": "all", "verdict": "skipped", "reason": reason.to_string() }))?;
    Ok(ExitCode::from(SKIPPED))
}

fn say(line: &Value) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
