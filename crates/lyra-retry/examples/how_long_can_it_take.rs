//! How long can a call take, and what does its final error tell?

use lyra_errors::{Error, Recovery};
use lyra_retry::{ManualClock, RetryPolicy};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), lyra_retry::PolicyError> {
    for policy in [RetryPolicy::network(), RetryPolicy::local_model(), RetryPolicy::promised()] {
        println!("{}\n", policy.explain());
    }

    let clock = ManualClock::new(); // so that nothing really waits
    let policy = RetryPolicy::exponential().with_manual_time(&clock).build()?;
    let failing = || Err::<(), _>(Error::router("no route").with_recovery(Recovery::RETRY));
    if let Err(error) = policy.run_blocking(failing) {
        println!("{error}");
        for record in error.history() {
            println!("  {record}");
        }
        println!("\n{:?}", Error::from(error));
    }
    Ok(())
}
