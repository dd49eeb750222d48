//! Members of a request whose `null` says something else than their absence: `Option<Option<T>>`, where `None` is
//! absent and `Some(None)` is `null`.

use serde::de::{Deserialize, Deserializer};

/// Reads such a member. Goes with `default` and `skip_serializing_if = "Option::is_none"`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
