//! Who may touch the agent's state, and who gets a connection? Tasks read and
//! write one state, and share two connections.
#![allow(clippy::print_stdout, reason = "it is what an example shows")]

use std::time::Duration;

use lyra_sync::{AsyncRwLock, ResourcePool};

const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Emotion {
    joy: f64,
    events: u32,
}

struct Connection(u32);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emotion = AsyncRwLock::named("emotion", Emotion::default());
    let next = std::sync::atomic::AtomicU32::new(1);
    let connect = move || Connection(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let connections = ResourcePool::from_fn(2, connect);

    let visit = async |guest: &str| -> Result<(), Box<dyn std::error::Error>> {
        let connection = connections.acquire(PATIENCE).await?;
        let joy = emotion.read(PATIENCE).await?.joy;
        println!("{guest} comes over connection {} and finds a joy of {joy:.1}", connection.0);
        let mut state = emotion.write(PATIENCE).await?;
        state.joy += 0.1;
        state.events += 1;
        Ok(())
    };
    tokio::try_join!(visit("Ada"), visit("Ben"), visit("Cleo"))?;

    let writer = emotion.write(PATIENCE).await?;
    if let Err(error) = emotion.read(Duration::from_millis(20)).await {
        println!("{error}");
    }
    drop(writer);
    println!(
        "{:?}, {} connections made",
        *emotion.read(PATIENCE).await?,
        connections.status().size
    );
    Ok(())
}
