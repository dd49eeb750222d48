//! String enums that survive a value they do not know.
//! Use for every enum that a client *receives*, but for those that `lib.rs` names as closed; values that a client sends
//! are plain closed enums, or go through [`known`] where the same enum is sent back.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

/// What [`known`] asks of an enum that the macro has declared.
pub(crate) trait OpenEnum {
    /// The texts that are known.
    const TEXTS: &'static [&'static str];

    /// The text, if it is not known.
    fn unknown(&self) -> Option<&str>;
}

/// Reads an optional member that a client sends: a value that is not known is refused, as a closed enum refuses it.
pub(crate) fn known<'de, D: Deserializer<'de>, T: OpenEnum + Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<T>::deserialize(deserializer)?;
    match value.as_ref().and_then(T::unknown) {
        Some(text) => Err(D::Error::unknown_variant(text, T::TEXTS)),
        None => Ok(value),
    }
}

/// The schema of what [`known`] reads.
pub(crate) fn known_schema<T: OpenEnum>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string", "enum": T::TEXTS }, { "type": "null" }] })
}

/// Declares a string enum with an `Unknown` variant that keeps the text as it came.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident in $folder:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A value this version does not know, kept as it came.
            Unknown(String),
        }

        impl $name {
            /// The texts of the known values, in the order of the declaration.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The text on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Unknown(text) => text,
                }
            }
        }

        impl crate::open_enum::OpenEnum for $name {
            const TEXTS: &'static [&'static str] = Self::KNOWN;

            fn unknown(&self) -> Option<&str> {
                match self {
                    Self::Unknown(text) => Some(text),
                    _ => None,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    _ => Self::Unknown(text.to_owned()),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Ok(Self::from(text.as_ref()))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": "An open enum: expect values that are not listed.",
                    "anyOf": [{ "type": "string", "enum": [$($text),+] }, { "type": "string" }],
                })
            }
        }

        impl ts_rs::TS for $name {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn ident(_: &ts_rs::Config) -> String {
                stringify!($name).to_owned()
            }

            fn name(_: &ts_rs::Config) -> String {
                stringify!($name).to_owned()
            }

            fn decl(cfg: &ts_rs::Config) -> String {
                format!("type {} = {};", stringify!($name), <Self as ts_rs::TS>::inline(cfg))
            }

            fn decl_concrete(cfg: &ts_rs::Config) -> String {
                <Self as ts_rs::TS>::decl(cfg)
            }

            fn inline(_: &ts_rs::Config) -> String {
                // `string & {}` keeps the completion of the listed values in editors.
                concat!($("\"", $text, "\" | ",)+ "(string & {})").to_owned()
            }

            fn output_path() -> Option<std::path::PathBuf> {
                Some(concat!($folder, stringify!($name), ".ts").into())
            }
        }
    };
}

pub(crate) use open_enum;

#[cfg(test)]
mod tests {
    use crate::v1::PlanType;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_value_from_the_future_is_kept_and_passed_on() {
        let plan: PlanType = serde_json::from_str(r#""platinum""#).unwrap();
        assert_eq!(plan, PlanType::Unknown("platinum".to_owned()));
        assert_eq!(serde_json::to_string(&plan).unwrap(), r#""platinum""#);
    }
}
