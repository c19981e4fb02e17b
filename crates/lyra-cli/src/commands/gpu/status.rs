use lyra::errors::Result;

use super::Context;
use super::document::Document;
use super::found::Found;
use super::view;
use crate::exit::Exit;
use crate::output::screen::Line;

pub(super) fn run(found: &Found, context: &Context) -> Result<Exit> {
    let status = found.manager.status();
    let document = Document::of(&status, found.no_gpu.as_deref());
    context.output.result(&document, |_| {
        let lines = view::lines(&status, found.no_gpu.as_deref());
        lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Done)
}
