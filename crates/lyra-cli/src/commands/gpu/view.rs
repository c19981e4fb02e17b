//! How a manager stands, as people are shown, on 80 columns.

use lyra::gpu::{DeviceHealth, DeviceKind, DeviceStatus, Level, ModelStatus, Status};

use super::found::label;
use crate::output::screen::{Line, Tone};
use crate::output::table::{preview, table};
use crate::output::units;

/// So wide that a line with its percent and level fits.
const BAR: u64 = 54;

/// The devices, each with a bar, and the models.
pub(super) fn lines(status: &Status, no_gpu: Option<&str>) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(reason) = no_gpu.filter(|_| !status.has_gpu) {
        lines.push(Line::plain(format!("no GPU: {reason}")));
        lines.push(Line::plain(""));
    }
    for device in &status.devices {
        lines.extend(of_device(device));
        lines.push(Line::plain(""));
    }
    lines.extend(models(status).lines().map(Line::plain));
    lines
}

fn of_device(device: &DeviceStatus) -> Vec<Line> {
    let name = match device.kind {
        DeviceKind::Gpu => format!("{}  {}", label(device), preview(&device.name, 66)),
        _ => format!("{}  {}", label(device), preview(&device.name, 68)),
    };
    let mut lines = vec![Line::plain(name)];
    if device.total > 0 {
        let (bar, percent) = (bar(device.used, device.total), device.used_percent());
        let text = format!("  {bar} {percent:>5.1} %  {}", device.level);
        lines.push(Line::new(text, tone(device.level)));
        lines.push(Line::plain(format!(
            "  {} of {} used, {} free, room for models of {}",
            units::bytes(device.used),
            units::bytes(device.total),
            units::bytes(device.total.saturating_sub(device.used)),
            units::bytes(device.headroom),
        )));
    }
    if let Some(remark) = remark(device.health) {
        lines.push(Line::new(format!("  {}: {remark}", device.health.as_str()), Tone::Warning));
    }
    lines
}

fn bar(used: u64, total: u64) -> String {
    let full = u128::from(used) * u128::from(BAR) / u128::from(total.max(1));
    let full = usize::try_from(full.min(u128::from(BAR))).unwrap_or(0);
    let left = usize::try_from(BAR).unwrap_or(0) - full;
    "█".repeat(full) + &"░".repeat(left)
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Normal => Tone::Plain,
        Level::Critical => Tone::Alarm,
        _ => Tone::Warning,
    }
}

fn remark(health: DeviceHealth) -> Option<&'static str> {
    match health {
        DeviceHealth::Good => None,
        DeviceHealth::Lost => Some("it is gone"),
        DeviceHealth::Unmeasured => Some("it cannot tell its memory; gpu.budgets gives it a size"),
        _ => Some("it does not answer, and nothing is loaded on it"),
    }
}

fn models(status: &Status) -> String {
    if status.models.is_empty() {
        return "no models in this process".to_owned();
    }
    let rows = status.models.iter().map(|model| row(model, status));
    table(["model", "variant", "state", "size", "used"], &[3], rows)
}

fn row(model: &ModelStatus, status: &Status) -> [String; 5] {
    let used = match model.refs {
        0 => units::age(status.at.saturating_sub(model.last_used)),
        refs => format!("now, by {refs}"),
    };
    [
        preview(&model.name, 20),
        preview(&model.variant, 16),
        model.state.as_str().to_owned(),
        units::bytes(model.shares.iter().map(|(_, bytes)| bytes).sum()),
        used,
    ]
}
