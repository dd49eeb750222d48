//! The language of patches for backends that constrain what the model writes.

/// The grammar in the notation of lark, for `format.definition` of the custom tool. It holds the strict form;
/// [`parse`](super::parse) takes more.
pub const GRAMMAR: &str = r#"start: "*** Begin Patch" LF file+ "*** End Patch" LF?

file: added | deleted | updated
added: "*** Add File: " PATH LF ("+" TEXT? LF)+
deleted: "*** Delete File: " PATH LF
updated: "*** Update File: " PATH LF (moved change* | change+)
moved: "*** Move to: " PATH LF

change: anchor | line | end
anchor: "@@" (" " TEXT)? LF
line: (" " | "-" | "+") TEXT? LF
end: "*** End of File" LF

PATH: /[^\n]+/
TEXT: /[^\n]+/
%import common.LF
"#;
