//! The host: connections, dispatch, outgoing requests and the method handlers.
