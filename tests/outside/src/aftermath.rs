//! After something bad has happened to a session: in fresh processes, that nothing disturbs, all that was
//! promised holds, and the directory is as good as any.

use std::path::Path;

use crate::account::{Account, look, look_with_tool};
use crate::deeds::{Deeds, GROUP};
use crate::session::{Answer, Session};
use crate::tool;
use crate::verdict::Stop;

/// Looks with the tool, if asked to; opens, looks, appends, looks again, closes.
pub(crate) fn check(directory: &Path, mut account: Account, with_tool: bool) -> Result<(), Stop> {
    // Before anything was opened for writing there may be no directory, or half of one.
    if with_tool && account.has_anything() {
        account.check(&look_with_tool(directory)?)?;
    }
    let mut session = Session::start(directory)?;
    let opened = session.done("open", "open")?;
    if !opened.is_empty() {
        return Err(Stop::Broken(format!("open: it says {opened}")));
    }
    account.check(&look(&mut session, &[GROUP])?)?;
    let mut deeds = Deeds::from(1_000_000);
    let mut commands = vec!["create after 1".to_owned()];
    commands.extend(["all", "1"].map(|acks| format!("append after 0 {acks} {}", deeds.value(50))));
    if account.has("plain") {
        commands.push(format!("transaction plain {} 0 1 @ {GROUP} plain 0 0", deeds.value(50)));
    }
    for command in &commands {
        account.note(command, &Answer::Done(session.done("goes on", command)?));
    }
    account.check(&look(&mut session, &[GROUP])?)?;
    session.done("close", "close")?;
    drop(session);
    if with_tool {
        tool::run(directory, &["verify"])
            .map_err(|what| Stop::Broken(format!("verify: {what}")))?;
    }
    Ok(())
}
