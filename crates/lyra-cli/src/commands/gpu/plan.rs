use lyra::errors::Result;
use lyra::gpu::{
    Candidate, GpuError, GpuManager, LoadVerdict, Loaded, ModelHandle, ModelSpec, Reservation,
};
use serde::Serialize;

use super::Context;
use super::found::{Found, label};
use crate::args::gpu::PlanArgs;
use crate::exit::Exit;
use crate::output::table::table;
use crate::output::units;
use crate::quantity::Size;

pub(super) fn run(args: &PlanArgs, found: &Found, context: &Context) -> Result<Exit> {
    let mut plan = Plan { gpu: &found.manager, in_use: Vec::new() };
    let mut steps = Vec::new();
    for (number, size) in (1..).zip(&args.sizes) {
        let (step, handle) = plan.step(number, *size)?;
        steps.push(step);
        plan.in_use.extend(handle.filter(|_| args.in_use));
    }
    let status = found.manager.status();
    let document = Document {
        mode: status.mode(),
        no_gpu: found.no_gpu.as_deref().filter(|_| !status.has_gpu),
        steps,
    };
    context.output.result(&document, human)?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    mode: &'static str,
    no_gpu: Option<&'a str>,
    steps: Vec<Step>,
}

/// What becomes of one model.
#[derive(Debug, Serialize)]
struct Step {
    model: u32,
    bytes: u64,
    outcome: Outcome,
    device: Option<String>,
    /// How much can be loaded there afterwards.
    left: Option<u64>,
    /// The models that leave for it.
    evicts: Vec<u32>,
    why: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// On a GPU, as things are.
    Load,
    /// On a GPU, after others have left it.
    Evict,
    /// On the processor instead of a GPU.
    Degrade,
    /// Not now.
    Wait,
    /// Not on these devices.
    Never,
}

/// Models that take their memory on the books only.
struct Plan<'a> {
    gpu: &'a GpuManager,
    in_use: Vec<ModelHandle>,
}

impl Plan<'_> {
    fn step(&mut self, number: u32, size: Size) -> Result<(Step, Option<ModelHandle>)> {
        let bytes = size.bytes();
        let candidates = [Candidate::gpu("gpu", bytes), Candidate::cpu("cpu", bytes)];
        let [on_gpu, on_cpu] = candidates.each_ref().map(|candidate| self.gpu.can_load(candidate));
        let mut step = Step {
            model: number,
            bytes,
            outcome: Outcome::Load,
            device: None,
            left: None,
            evicts: Vec::new(),
            why: why(&on_gpu, &on_cpu),
        };
        // The processor is what remains where no GPU can be had.
        let verdict = if on_gpu.is_loadable() { &on_gpu } else { &on_cpu };
        if let LoadVerdict::FitsAfterEviction { models, .. } = verdict {
            step.outcome = Outcome::Evict;
            for model in models {
                self.gpu.unregister(model)?;
                step.evicts.extend(model.parse::<u32>());
            }
        }
        let spec = ModelSpec::new(number.to_string());
        let spec = candidates.into_iter().fold(spec, ModelSpec::with_candidate);
        let reservation = match self.gpu.try_reserve(&spec) {
            Ok(reservation) => reservation,
            Err(error) => {
                step.outcome = refused(&error)?;
                return Ok((step, None));
            }
        };
        if reservation.grant().instead_of.is_some() {
            step.outcome = Outcome::Degrade;
        }
        self.place(&mut step, &reservation);
        Ok((step, Some(reservation.commit(Loaded::value(())))))
    }

    /// Where it is, and what is left there.
    fn place(&self, step: &mut Step, reservation: &Reservation) {
        let Some((id, _)) = reservation.grant().shares.first() else { return };
        let status = self.gpu.status();
        let device = status.devices.iter().find(|device| device.id == *id);
        step.left = device.map(|device| device.headroom);
        step.device = Some(device.map_or_else(|| id.to_string(), label));
    }
}

/// What a refusal means; none where it is a failure.
fn refused(error: &GpuError) -> Result<Outcome, GpuError> {
    match error {
        GpuError::NoRoom { .. } => Ok(Outcome::Wait),
        GpuError::TooLarge { .. } | GpuError::NoDevice { .. } => Ok(Outcome::Never),
        other => Err(other.clone()),
    }
}

/// What the manager says of the GPUs, and of the processor where it comes to
/// that.
fn why(on_gpu: &LoadVerdict, on_cpu: &LoadVerdict) -> String {
    let gpu = match on_gpu {
        LoadVerdict::Fits { .. } => return "fits as it is".to_owned(),
        LoadVerdict::FitsSoon { .. } => return "fits when what is leaving has left".to_owned(),
        LoadVerdict::FitsAfterEviction { models, .. } => {
            return format!("fits when {} has left", models.join(" and "));
        }
        LoadVerdict::TooLarge { largest } => {
            format!("no GPU ever takes more than {}", units::bytes(*largest))
        }
        LoadVerdict::NoGpu => "there is no GPU".to_owned(),
        _ => "what is used of the GPUs leaves no room".to_owned(),
    };
    match on_cpu {
        LoadVerdict::Fits { .. } | LoadVerdict::FitsSoon { .. } | LoadVerdict::NoGpu => gpu,
        LoadVerdict::FitsAfterEviction { models, .. } => {
            format!("{gpu}, and the CPU takes it when {} has left", models.join(" and "))
        }
        LoadVerdict::TooLarge { largest } => {
            format!("{gpu}, and the CPU never takes more than {}", units::bytes(*largest))
        }
        _ => format!("{gpu}, and what is used of the CPU leaves none either"),
    }
}

fn human(document: &Document<'_>) -> String {
    let rows = document.steps.iter().map(|step| {
        let device = step.device.as_deref().unwrap_or_default();
        let what = match step.outcome {
            Outcome::Load => format!("on {device}"),
            Outcome::Evict => format!("on {device}, evicts {}", evicted(step)),
            Outcome::Degrade if step.evicts.is_empty() => format!("on the {device} instead"),
            Outcome::Degrade => format!("on the {device} instead, evicts {}", evicted(step)),
            Outcome::Wait => "not now".to_owned(),
            Outcome::Never => "never".to_owned(),
        };
        let left = step.left.map(units::bytes).unwrap_or_default();
        [step.model.to_string(), units::bytes(step.bytes), what, left, step.why.clone()]
    });
    let table = table(["model", "size", "is loaded", "left there", "why"], &[0, 1, 3], rows);
    match document.no_gpu {
        Some(reason) => format!("no GPU: {reason}\n\n{table}"),
        None => table,
    }
}

fn evicted(step: &Step) -> String {
    step.evicts.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
