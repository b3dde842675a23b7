//! Carries a row out: its handler on a blocking thread or as a stream, its line of the audit log, and the end of the
//! operation that its answer waits for.

use std::sync::Arc;

use rocket::data::Data;
use rocket::http::Cookie;
use rocket::{Request, Response};

use super::App;
use super::answer::{Answer, Outcome, Wait};
use super::call::Call;
use super::endpoint::{Mounted, Run, Streamed};
use crate::error::{Error, Fault, Result};

/// What goes back to the client.
pub enum Outgoing<'r> {
    Answer(Answer, Vec<Cookie<'static>>),
    Response(Response<'r>),
}

/// Runs a handler that blocks, and waits for the operation that its answer is about. No thread waits meanwhile.
pub async fn run_blocking<'r>(
    app: &Arc<App>,
    row: &'static Mounted,
    mut call: Call,
) -> Result<Outgoing<'r>> {
    let here = Arc::clone(app);
    let handled = move || {
        let Run::Blocking(handler) = &row.run else {
            return Err(Error::internal("a streaming row among others"));
        };
        let note = call.note.clone();
        let result = note.accompany(|| handler(&here, &mut call));
        if call.caller.is_none() {
            // Who it was is known now.
            note.by(call.actor.clone());
        }
        match result {
            Ok(Outcome::Wait(wait)) => Ok(Handled::Wait(Box::new(call), wait)),
            Ok(Outcome::Answer(answer)) => answered(&here, call, Ok(answer)),
            Err(error) => answered(&here, call, Err(error)),
        }
    };
    let (call, wait) = match blocking(handled).await? {
        Handled::Answered(answer, cookies) => return Ok(Outgoing::Answer(answer, cookies)),
        Handled::Wait(call, wait) => (*call, wait),
    };
    let operation = app.operations.wait(wait.operation, wait.patience).await;
    let app = Arc::clone(app);
    let finished = move || {
        let result = operation.and_then(|operation| (wait.finish)(&app, &call, operation));
        answered(&app, call, result)
    };
    match blocking(finished).await? {
        Handled::Answered(answer, cookies) => Ok(Outgoing::Answer(answer, cookies)),
        Handled::Wait(..) => Err(Error::internal("an answer that waits twice")),
    }
}

/// Where a request is when its handler is done.
enum Handled {
    Answered(Answer, Vec<Cookie<'static>>),
    /// Boxed: most requests do not wait.
    Wait(Box<Call>, Wait),
}

fn answered(app: &App, mut call: Call, result: Result<Answer>) -> Result<Handled> {
    if let Err(error) = call.note.close(app, result.as_ref().err()) {
        // What was done is done: the client is told so.
        let (id, error) = (&call.actor.request_id, error.detail());
        tracing::error!(request.id = id, error, "an audit line");
    }
    result.map(|answer| Handled::Answered(answer, std::mem::take(&mut call.cookies)))
}

/// Runs a handler that reads the body or writes the answer itself.
pub async fn run_streaming<'r>(
    app: &Arc<App>,
    row: &'static Mounted,
    call: Call,
    request: &'r Request<'_>,
    data: Data<'r>,
) -> Result<Outgoing<'r>> {
    let Run::Streaming(handler) = row.run else {
        return Err(Error::internal("not a streaming row"));
    };
    let (note, request_id) = (call.note.clone(), call.actor.request_id.clone());
    let result = handler(Arc::clone(app), call, request, data).await;
    let fault = result.as_ref().err().map(Fault::from);
    let app = Arc::clone(app);
    let noted = blocking(move || note.close(&app, fault.map(Error::from).as_ref())).await;
    if let Err(error) = noted {
        tracing::error!(request.id = request_id, error = error.detail(), "an audit line");
        // Nothing was sent yet: who reads or looks without a line reads nothing.
        if let Ok(Streamed::Response(_)) = result {
            return Err(error);
        }
    }
    match result? {
        Streamed::Answer(answer) => Ok(Outgoing::Answer(answer, Vec::new())),
        Streamed::Response(response) => Ok(Outgoing::Response(response)),
    }
}

/// Runs blocking work off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match rocket::tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(Error::internal("a handler panicked").because(panic)),
    }
}
