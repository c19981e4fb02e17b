//! Runs steps in order, times each beside its budget, and closes with a table.

use std::time::{Duration, Instant};

use crate::budget::{Verdict, WHOLE_RUN};
use crate::report::Report;
use crate::steps::Step;
use crate::workspace::Workspace;

/// The only part that the project's own CI may skip: no advisory database can
/// be reached from there.
const SKIPPED_ON_CI: [&str; 1] = ["advisories"];

/// Whether all steps passed, within their budgets.
pub(crate) fn run<'a>(workspace: &Workspace, steps: impl Iterator<Item = &'a Step>) -> bool {
    if std::env::current_dir().is_ok_and(|here| here != workspace.root) {
        println!("$ cd {}", workspace.root.display());
    }
    let mut report = Report::default();
    let mut rows = Vec::new();
    let mut failure = None;
    for step in steps {
        println!("\n== {}: {}", step.name, step.what);
        let skipped_before = report.skipped.len();
        let start = Instant::now();
        let outcome = (step.run)(workspace, &mut report);
        let verdict = workspace.budget.step(step.name, start.elapsed());
        println!("== {} took {verdict}", step.name);
        report.over.extend(verdict.complaint(step.name));
        let result = match (&outcome, report.skipped.len() - skipped_before) {
            (Err(_), _) => "FAILED".to_owned(),
            (Ok(()), 0) => "ok".to_owned(),
            (Ok(()), skipped) => format!("ok, {skipped} SKIPPED"),
        };
        rows.push((step.name, verdict, result));
        if let Err(found) = outcome {
            failure = Some(found);
            break;
        }
    }

    print!("{}", summary(&rows, &report));
    let on_ci = std::env::var_os("CI").is_some();
    let complaints = complaints(&report, on_ci);
    for complaint in &complaints {
        println!("{complaint}");
    }
    if let Some(failure) = &failure {
        println!("\n{failure}");
    }
    if let Some(tests) = report.tests {
        // Alone on its line and last, so that it is found without reading.
        println!("\n{tests}");
    }
    failure.is_none() && complaints.is_empty()
}

fn summary(rows: &[(&str, Verdict, String)], report: &Report) -> String {
    let mut text = format!("\n{:<16} {:>8} {:>7}  {}\n", "step", "seconds", "budget", "result");
    let mut row = |name: &str, verdict: Verdict, result: &str| {
        let budget = verdict.budget.map_or_else(|| "-".to_owned(), |budget| budget.to_string());
        let over = if verdict.is_over() { "OVER BUDGET" } else { "" };
        let result = [result, over].join(" ");
        let seconds = verdict.took.as_secs_f64();
        let line = format!("{name:<16} {seconds:>8.1} {budget:>7}  {}", result.trim_start());
        text.push_str(line.trim_end());
        text.push('\n');
    };
    for (name, verdict, result) in rows {
        row(name, *verdict, result);
        if *name == "test" {
            for (package, verdict) in &report.crates {
                row(&format!("  {package}"), *verdict, "");
            }
        }
    }
    if rows.len() > 1 {
        let took: Duration = rows.iter().map(|(_, verdict, _)| verdict.took).sum();
        let budget = Some(WHOLE_RUN);
        row("all", Verdict { took, budget }, "");
    }
    for skipped in &report.skipped {
        text.push_str(&format!("{skipped}\n"));
    }
    text
}

/// What fails a run although each of its steps passed.
fn complaints(report: &Report, on_ci: bool) -> Vec<String> {
    let mut complaints: Vec<String> =
        report.over.iter().map(|line| format!("OVER BUDGET: {line}")).collect();
    if on_ci {
        let surprising =
            report.skipped.iter().filter(|skipped| !SKIPPED_ON_CI.contains(&skipped.what.as_str()));
        complaints.extend(surprising.map(|skipped| {
            format!(
                "FAILED: with `CI` set, `{}` must not be skipped: {}",
                skipped.what, skipped.why
            )
        }));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::failure::Failure;
    use crate::report::Skipped;
    use crate::steps::Run;
    use crate::tree::Tree;

    fn passes(_: &Workspace, _: &mut Report) -> Result<(), Failure> {
        Ok(())
    }

    fn fails(_: &Workspace, _: &mut Report) -> Result<(), Failure> {
        Err(Failure::new("it broke", "mend it"))
    }

    fn must_not_run(_: &Workspace, _: &mut Report) -> Result<(), Failure> {
        panic!("a step ran after one that failed")
    }

    fn run_all(steps: &[Run]) -> bool {
        let step = |&run| Step { name: "step", what: "for this test", run };
        let workspace =
            Workspace { root: ".".into(), tree: Tree::default(), budget: Budget::default() };
        let steps: Vec<Step> = steps.iter().map(step).collect();
        run(&workspace, steps.iter())
    }

    #[test]
    fn a_run_passes_when_all_steps_do_and_stops_at_the_first_that_fails() {
        assert!(run_all(&[passes, passes]));
        assert!(!run_all(&[passes, fails, must_not_run]));
    }

    fn report_with_skipped(what: &str) -> Report {
        let mut report = Report::default();
        report.skipped.push(Skipped {
            what: what.to_owned(),
            why: "it is missing; get it with `get it`".to_owned(),
        });
        report
    }

    #[test]
    fn the_table_names_what_was_skipped_and_what_was_slow() {
        let verdict = Verdict { took: Duration::from_secs(16), budget: Some(10) };
        let rows = [("deny", verdict, "ok, 1 SKIPPED".to_owned())];
        let text = summary(&rows, &report_with_skipped("advisories"));
        assert!(
            text.contains("deny                 16.0      10  ok, 1 SKIPPED OVER BUDGET"),
            "{text}"
        );
        assert!(text.contains("SKIPPED advisories: it is missing"), "{text}");
    }

    #[test]
    fn on_ci_nothing_but_the_advisories_may_be_skipped() {
        assert_eq!(complaints(&report_with_skipped("redis"), false), [""; 0]);
        assert_eq!(complaints(&report_with_skipped("advisories"), true), [""; 0]);
        assert_eq!(complaints(&report_with_skipped("redis"), true).len(), 1);
    }

    #[test]
    fn an_exceeded_budget_fails_the_run() {
        let mut report = Report::default();
        report.over.push("fmt took 16.0 s of 10 s".to_owned());
        assert_eq!(complaints(&report, false).len(), 1);
    }
}
