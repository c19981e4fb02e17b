//! Who waits how long? Three tasks and a thread share five calls a second.
#![allow(clippy::print_stdout, reason = "it is what an example shows")]

use std::time::{Duration, Instant};

use lyra_ratelimit::{RateLimitError, RateLimiter};

#[tokio::main]
async fn main() -> Result<(), RateLimitError> {
    let limiter = RateLimiter::per_second(5).with_burst(1).build()?;
    let patience = Duration::from_secs(2);
    let start = Instant::now();
    let tell = move |who: &str| println!("{:>4} ms  {who}", start.elapsed().as_millis());

    let thread = std::thread::spawn({
        let limiter = limiter.clone();
        move || (0..3).try_for_each(|_| limiter.acquire_blocking(patience).map(|()| tell("thread")))
    });
    let tasks = ["task a", "task b", "task c"].map(|name| {
        let limiter = limiter.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                limiter.acquire(patience).await?;
                tell(name);
            }
            Ok::<_, RateLimitError>(())
        })
    });
    for task in tasks {
        task.await.expect("it does not panic")?;
    }
    thread.join().expect("it does not panic")?;

    if let Err(error) = limiter.acquire(Duration::ZERO).await {
        println!("{error}");
    }
    Ok(())
}
