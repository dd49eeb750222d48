//! `fs/watch`.

use std::sync::Arc;

use valet_protocol::methods::{FsChanged, FsWatch};
use valet_protocol::v2::{AbsolutePath, FsChangedNotification, FsWatchParams, FsWatchResponse};
use valet_workspace::watch::Changes;

use crate::connection::Connection;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for FsWatch {
    async fn handle(context: Context, params: FsWatchParams, responder: Responder<Self>) {
        let FsWatchParams { watch_id, path } = params;
        let begun = context.host.workspace.watch(context.connection.id, watch_id.clone(), path.clone()).await;
        context.forget_if_gone();
        match begun {
            Ok(changes) => {
                responder.respond(Ok(FsWatchResponse { path }));
                tokio::spawn(tell(Arc::clone(&context.connection), watch_id, changes));
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

/// Ends with the watch.
async fn tell(connection: Arc<Connection>, watch_id: String, mut changes: Changes) {
    while let Some(paths) = changes.next().await {
        let changed_paths = paths.iter().filter_map(|path| AbsolutePath::new(path)).collect();
        connection.notify::<FsChanged>(&FsChangedNotification { watch_id: watch_id.clone(), changed_paths });
    }
}
