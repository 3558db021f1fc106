//! Verification: everything is compared with what attests it, by itself and from time to time, so that a row which somebody put
//! in, changed or took out past milestoned is told before anybody asks.

use crate::environment::Environment;
use crate::integrity::Compared;
use crate::report::checkpoints;
use crate::store::StoreError;

/// Compares everything where that was not done for as long as is configured.
///
/// # Errors
/// The store failed.
pub async fn turn(env: &Environment) -> Result<(), StoreError> {
    let (now, every) = (env.clock.now(), env.settings.audit.verify_every);
    if every.is_zero() {
        return Ok(());
    }
    let due = env.integrity.latest().is_none_or(|last| now.duration_since(last.at) >= every);
    if due { compare(env).await } else { Ok(()) }
}

/// Compares the trail, its head, every row, and the checkpoints that were kept in a file, and keeps what was found.
///
/// # Errors
/// The store failed.
pub async fn compare(env: &Environment) -> Result<(), StoreError> {
    let at = env.clock.now();
    let mut flaws = Vec::new();
    let kept = match checkpoints::kept(env, None) {
        Ok(kept) => kept,
        Err(reason) => {
            flaws.push(("audit.checkpoint_file".to_owned(), reason.to_string()));
            Vec::new()
        }
    };
    let verdict = env.store.verify_audit(kept).await?;
    flaws.extend(verdict.broken.map(|broken| (format!("audit line {}", broken.seq), broken.what)));
    flaws.extend(verdict.findings.into_iter().map(|finding| (finding.place(), finding.what)));
    for (place, what) in &flaws {
        tracing::error!(place, what, "the database is not as it was written");
    }
    env.integrity.keep(Compared { at, flaws });
    Ok(())
}
